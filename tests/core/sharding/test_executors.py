"""A stage over an executor: this process plans and commits, the executor's processes or threads work."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Outcome, open_snapshot, read_directory, transform_directory
from airflow_dirops.core.errors import ArgumentRefused, RecordFailed, TransientError
from tests.core.sharding.sharded import attempts_left, contents, numbered_texts

pytest.importorskip("cloudpickle")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return numbered_texts(tmp_path / "raw", 12)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def read(path: str) -> bytes:
    return Path(path).read_bytes()


def spawning() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


class Here(Executor):
    """Works when it is asked, in this very process; and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[Any, ...]] = []

    def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given.append(args)
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.mark.parametrize("executor", [lambda: ThreadPoolExecutor(3), spawning, Here], ids=["threads", "spawn", "here"])
def test_any_executor_makes_what_the_stage_alone_makes(raw: Path, tmp_path: Path, executor: Any) -> None:
    read_directory(source=raw, target=tmp_path / "alone", read=read, codec="bytes")
    with executor() as pool:
        made = read_directory(
            source=raw, target=tmp_path / "together", read=read, codec="bytes", shards=5, executor=pool
        )
        again = read_directory(
            source=raw, target=tmp_path / "together", read=read, codec="bytes", shards=5, executor=pool
        )
    assert contents(tmp_path / "together") == contents(tmp_path / "alone")
    assert (made.outcome, made.counts["computed"], again.outcome) == ("committed", 12, "unchanged")
    assert attempts_left(tmp_path / "together") == []


def test_functions_that_no_other_process_can_import(raw: Path, target: Path, tmp_path: Path) -> None:
    seen_here = []
    mark = b"closure "
    with spawning() as pool:
        read_directory(source=raw, target=target, read=lambda path: (seen_here.append(path), mark + read(path))[1],
                       codec="bytes", shards=3, executor=pool, stage="lambda")  # fmt: skip
    assert {record.value[:8] for record in open_snapshot(target)} == {mark}
    assert seen_here == []


def test_functions_of_a_dag_file(raw: Path, target: Path, tmp_path: Path) -> None:
    module = load_as_airflow_does(tmp_path / "images.py", DAG_FILE)
    with spawning() as pool:
        read_directory(source=raw, target=target, read=module.prefixed, codec="bytes", shards=3, executor=pool)
    assert {record.value[:4] for record in open_snapshot(target)} == {b"dag "}


DAG_FILE = """
PREFIX = b"dag "

def prefixed(path):
    return helper(path)

def helper(path):
    return PREFIX + open(path, "rb").read()
"""


def load_as_airflow_does(path: Path, source: str) -> Any:
    """Under a name that only this process knows, as ``airflow.dag_processing.importers`` does."""
    import importlib.util
    import sys

    path.write_text(source)
    spec = importlib.util.spec_from_file_location(f"unusual_prefix_{os.urandom(8).hex()}_images", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_another_stage_over_shards_carries_over_and_transforms(raw: Path, tmp_path: Path) -> None:
    def chain(name: str, **how: Any) -> Outcome:
        read_directory(source=raw, target=tmp_path / name / "read", read=read, codec="bytes", stage="a", **how)
        return transform_directory(
            source=tmp_path / name / "read", target=tmp_path / name / "upper", transform=bytes.upper, codec="bytes",
            stage="b", **how,
        )  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        chain("alone")
        chain("together", shards=4, executor=pool)
        (raw / "03.txt").write_text("changed")
        (raw / "07.txt").unlink()
        alone, together = chain("alone"), chain("together", shards=4, executor=pool)
    assert together.counts == alone.counts
    assert (together.counts["computed"], together.counts["carried"]) == (1, 10)
    assert contents(tmp_path / "together" / "upper") == contents(tmp_path / "alone" / "upper")


def test_a_shard_that_fails_ends_it_with_its_own_error_and_what_is_finished_is_kept(raw: Path, target: Path) -> None:
    computed: list[str] = []

    def picky(path: str) -> bytes:
        computed.append(Path(path).name)
        if path.endswith("11.txt") and not mended:
            raise ValueError("cannot read this one")
        return read(path)

    mended = False
    with ThreadPoolExecutor(1) as pool, pytest.raises(RecordFailed, match="cannot read this one"):
        read_directory(source=raw, target=target, read=picky, codec="bytes", version="1", shards=4, executor=pool)
    assert not target.exists()
    mended = True
    before = set(computed)
    computed.clear()
    outcome = read_directory(source=raw, target=target, read=picky, codec="bytes", version="1")
    assert outcome.counts["entries"] == 12
    assert set(computed).isdisjoint(before - {"11.txt"})


def test_a_process_that_is_lost_is_told_of_and_another_call_goes_on(raw: Path, target: Path) -> None:
    def deadly(path: str) -> bytes:
        if path.endswith("11.txt") and not flag.exists():
            os._exit(9)
        return read(path)

    flag = raw.parent / "mended"
    arguments: dict[str, Any] = {"source": raw, "target": target, "read": deadly, "codec": "bytes", "version": "1"}
    with spawning() as pool, pytest.raises(TransientError, match="did not bring shard"):
        read_directory(shards=4, executor=pool, **arguments)
    flag.touch()
    with spawning() as pool:
        outcome = read_directory(shards=4, executor=pool, **arguments)
    assert outcome.counts["entries"] == 12
    assert outcome.counts["reused"] > 0
    assert attempts_left(target) == []


def test_what_cannot_be_pickled_is_refused_before_anything_is_claimed(raw: Path, target: Path) -> None:
    lock = threading.Lock()
    with spawning() as pool, pytest.raises(ArgumentRefused, match=r"cannot be pickled.*open what cannot be pickled"):
        read_directory(source=raw, target=target, read=lambda path: (lock, read(path))[1], codec="bytes", shards=2,
                       executor=pool)  # fmt: skip
    assert not target.parent.joinpath(".dirops").exists()


@pytest.mark.parametrize("half", [{"shards": 3}, {"executor": Here()}, {"shards": 3, "executor": object()}])
def test_shards_and_executor_go_together(raw: Path, target: Path, half: dict[str, Any]) -> None:
    with pytest.raises(ArgumentRefused, match=r"executor"):
        read_directory(source=raw, target=target, read=read, codec="bytes", **half)


def test_an_aggregate_has_no_shards(raw: Path, target: Path) -> None:
    with pytest.raises(ArgumentRefused, match="aggregate over its target"):
        transform_directory(source=raw, target=target, read=read, aggregate=len, shards=3, executor=Here())


def test_a_dry_run_only_plans(raw: Path, target: Path) -> None:
    executor = Here()
    outcome = read_directory(
        source=raw, target=target, read=read, codec="bytes", shards=3, executor=executor, dry_run=True
    )
    assert (outcome.outcome, executor.given) == ("planned", [])
