"""A task that is told to stop does so between two files, and leaves its target as it was."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator
from tests.text_files import read_text, values, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.doors.airflow_runs import Runs


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Take back the handlers that Airflow installs for a task."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def until_told(notes: Path, stop: Callable[[], None]) -> Callable[[str], str]:
    """A read function that notes what it reads, and is stopped at the second file."""

    def read(path: str) -> str:
        with notes.open("a") as file:  # a list would be part of the function's fingerprint
            file.write(Path(path).stem)
        if len(notes.read_text()) == 2:
            stop()
        return read_text(path) + " again"

    return read


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def terminate_and_catch_everything() -> None:
    with suppress(BaseException):
        terminate()


def never_return() -> None:
    """So long that it is the timeout that ends it; not for ever, since pytest's own uses the same timer."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pass


@pytest.mark.parametrize(
    ("stop", "timeout"),
    [
        pytest.param(terminate, None, id="SIGTERM"),
        pytest.param(never_return, timedelta(seconds=1), id="execution_timeout"),
    ],
)
def test_a_stopped_stage_leaves_its_target_as_it_was(
    runs: Runs, root: Path, stop: Callable[[], None], timeout: timedelta | None
) -> None:
    stage = {"source": "raw", "target": "interim", "codec": "text", "task_id": "read"}
    write(root / "raw", a="a", b="b", c="c")
    with DAG("stopped", schedule=None) as dag:
        DirectoryReadOperator(**stage, read=read_text)
    runs(dag)

    seen = root / "seen"
    write(root / "raw", a="new", b="new", c="new")
    with DAG("stopped", schedule=None) as dag:
        DirectoryReadOperator(**stage, read=until_told(seen, stop), execution_timeout=timeout)
    assert runs(dag).state("read") == "failed"
    assert seen.read_text() == "ab"
    assert values(root / "interim") == {"a": "a", "b": "b", "c": "c"}


def test_a_function_that_catches_everything_is_stopped_after_it(
    runs: Runs, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_dirops.core.report.outcome._REPORT_EVERY_SECONDS", 0.0)
    seen = root / "seen"
    write(root / "raw", a="a", b="b", c="c")
    with DAG("careless", schedule=None) as dag:
        DirectoryReadOperator(
            task_id="read",
            source="raw",
            target="interim",
            codec="text",
            read=until_told(seen, terminate_and_catch_everything),
            on_error="quarantine",
        )
    assert runs(dag).state("read") == "failed"
    assert seen.read_text() == "ab"
    assert not (root / "interim").exists()


def test_the_next_try_goes_on_from_what_was_finished(runs: Runs, root: Path) -> None:
    seen = root / "seen"
    write(root / "raw", a="a", b="b", c="c")
    with DAG("resumed", schedule=None) as dag:
        DirectoryReadOperator(
            task_id="read", source="raw", target="interim", codec="text", read=until_told(seen, terminate)
        )
    assert runs(dag).state("read") == "failed"
    assert runs(dag).output("read")["counts"]["reused"] == 1
    assert seen.read_text() == "abbc"


def test_a_stopped_shard_leaves_the_target_as_it_was_and_the_next_run_is_whole(runs: Runs, root: Path) -> None:
    seen = root / "seen"
    write(root / "raw", a="a", b="b", c="c", d="d")
    with DAG("shard_stopped", schedule=None) as dag:
        DirectoryReadOperator.sharded(
            2, task_id="read", source="raw", target="interim", codec="text", read=until_told(seen, terminate)
        )
    stopped = runs(dag)
    assert sorted(stopped.state("read.shard", number) for number in range(2)) == ["failed", "success"]
    assert stopped.states["read.commit"] == "upstream_failed"
    assert not (root / "interim").exists()

    again = runs(dag)
    assert again.output("read.commit")["counts"]["entries"] == 4
    assert values(root / "interim") == {name: f"{name} again" for name in "abcd"}


def test_a_task_that_runs_no_stage_has_nothing_to_stop() -> None:
    with DAG("idle", schedule=None):
        stage = DirectoryReadOperator(task_id="read", source="/raw", target="/interim", read=read_text)
    stage.on_kill()  # as Airflow does once more after a timeout
