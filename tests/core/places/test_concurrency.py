"""Many real processes on one target: every commit is accounted for, and every read is of one snapshot."""

from __future__ import annotations

import json
import os
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Attempt, LogicalRun, open_snapshot, read_directory
from airflow_dirops.core.disk.durable import ExchangeUnsupported
from airflow_dirops.core.errors import ConflictError, DiropsError, ManifestMissing
from airflow_dirops.core.places.directory import holding, swap
from airflow_dirops.core.stage.retention import Retention
from tests.core.directories import assert_whole, header_of, orphans_of, retired_of, values_of, write_texts
from tests.core.paced import PacedStage

WRITERS, COMMITS_EACH = 3, 40
READERS, READS_EACH = 3, 400
AT_ONCE = 8
ROUNDS = 6
KEEP_ALL = Retention(keep_snapshots=1000)
Answer = dict[str, Any]


def at_once(*calls: Callable[[], Answer]) -> list[Answer]:
    """Make each call in a process of its own, all let off together; what they answered."""
    held, gate = os.pipe()
    children = [_start(call, held, gate) for call in calls]
    os.close(held)
    os.close(gate)
    answers = []
    for pid, readable in children:
        with open(readable, "rb") as file:
            answers.append(json.loads(file.read() or b'{"ended": "killed"}'))
        os.waitpid(pid, 0)
    return answers


def _start(call: Callable[[], Answer], held: int, gate: int) -> tuple[int, int]:
    readable, writable = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writable)
        return pid, readable
    try:
        os.close(gate)
        os.read(held, 1)  # until nobody holds the gate any more
        answer = call()
    except DiropsError as error:
        answer = {"ended": type(error).__name__, "message": "".join(traceback.format_exception(error))}
    except BaseException:
        answer = {"ended": traceback.format_exc()}
    with open(writable, "wb") as file:
        file.write(json.dumps(answer).encode())
    os._exit(0)


def stage(source: Path, target: Path, text: str, run: str, **options: Any) -> Answer:
    """Write one and the same text to every entry."""
    outcome = read_directory(
        source=source,
        target=target,
        read=lambda path: text,
        version=text,
        codec="text",
        stage="copy",
        durability="process",
        retention=KEEP_ALL,
        attempt=Attempt(run=LogicalRun(dag_id="dag", run_id=run, task_id="task")),
        **options,
    )
    return {"ended": outcome.outcome, "snapshot": outcome.snapshot}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "source", **{f"file_{number:02}": str(number) for number in range(20)})


@pytest.fixture
def target(source: Path, tmp_path: Path) -> Path:
    stage(source, tmp_path / "out" / "day", "first", "first")
    return tmp_path / "out" / "day"


def headers_by_id(target: Path) -> dict[str, dict[str, Any]]:
    headers = [header_of(place) for place in (target, *retired_of(target))]
    return {header["snapshot"]: header for header in headers}


def write_again_and_again(source: Path, target: Path, writer: int, plain: bool) -> Answer:
    if plain:
        swap.exchange = _cannot_exchange  # this process is the writer's own
    made: dict[str, str] = {}
    conflicts = 0
    while len(made) < COMMITS_EACH:
        text = f"{writer}.{len(made)}"
        try:
            answer = stage(source, target, text, f"{text}, after {conflicts} conflicts")
        except ConflictError:
            conflicts += 1
            continue
        assert answer["ended"] == "committed"
        made[answer["snapshot"]] = text
    return {"made": made, "conflicts": conflicts}


def _cannot_exchange(*_: object) -> None:
    raise ExchangeUnsupported


def read_again_and_again(target: Path) -> Answer:
    seen: dict[str, list[str]] = {}
    for _ in range(READS_EACH):
        with open_snapshot(target, verify=True) as snapshot:
            texts = {record.value for record in snapshot}
            assert len(texts) == 1, f"one read of {snapshot.manifest.snapshot} saw {texts}"
            seen.setdefault(snapshot.manifest.snapshot, []).extend(texts)
    return {"seen": seen}


@pytest.mark.parametrize("plain", [False, True], ids=["exchange", "two renames"])
def test_every_commit_is_accounted_for_and_every_read_is_of_one_snapshot(
    plain: bool, source: Path, target: Path
) -> None:
    writers = [partial(write_again_and_again, source, target, writer, plain) for writer in range(WRITERS)]
    answers = at_once(*writers, *[partial(read_again_and_again, target)] * READERS)
    failed = [answer for answer in answers if "ended" in answer]
    assert not failed, failed
    headers = headers_by_id(target)
    made = {snapshot: "first" for snapshot, header in headers.items() if header["base"] is None}
    for answer in answers[:WRITERS]:
        made |= answer["made"]
    assert len(made) == 1 + WRITERS * COMMITS_EACH
    assert headers.keys() == made.keys(), "what was reported, against what is there and what is kept"
    replaced = Counter(header["base"] for header in headers.values())
    assert set(replaced.values()) == {1}, "two attempts committed on one base"
    for answer in answers[WRITERS:]:
        for snapshot, texts in answer["seen"].items():
            assert {*texts} == {made[snapshot]}
    assert_whole(target)
    assert stage(source, target, "last", "last")["ended"] == "committed"
    assert orphans_of(target) == []


def test_of_eight_that_stand_before_their_commit_one_commits(source: Path, target: Path) -> None:
    base = header_of(target)["snapshot"]
    stages = [
        PacedStage(source=source, target=target, stage="copy", version="2", retention=KEEP_ALL, run=f"run {number}")
        for number in range(AT_ONCE)
    ]
    for paced in stages:
        while paced.waits_for != "commit":
            paced.go_on()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(PacedStage.go_on, stages))
    assert Counter(paced.ended for paced in stages) == {"committed": 1, "TargetConflict": AT_ONCE - 1}
    (winner,) = (paced.said["snapshot"] for paced in stages if paced.ended == "committed")
    assert (header_of(target)["snapshot"], header_of(target)["base"]) == (winner, base)
    assert stage(source, target, "other", "last")["ended"] == "committed"
    assert orphans_of(target) == []


@pytest.mark.parametrize("is_new", [True, False], ids=["a new target", "a target to replace"])
def test_of_eight_that_start_at_once_one_commits(is_new: bool, source: Path, target: Path) -> None:
    for round_number in range(ROUNDS):
        here = target.with_name(f"new {round_number}") if is_new else target
        text = f"round {round_number}"
        answers = at_once(*[partial(stage, source, here, text, f"{text}, run {number}") for number in range(AT_ONCE)])
        ended = Counter(answer["ended"] for answer in answers)
        assert ended["committed"] == 1, ended
        assert ended.keys() <= {"committed", "unchanged", "TargetConflict"}, ended
        (winner,) = (answer["snapshot"] for answer in answers if answer["ended"] == "committed")
        assert header_of(here)["snapshot"] == winner
        assert {*values_of(here).values()} == {text}


def test_a_try_that_is_started_twice_commits_once(source: Path, target: Path) -> None:
    """The later claim of the same try wins; whoever comes after its commit finds nothing to do, and says so."""
    for round_number in range(ROUNDS):
        text = f"round {round_number}"
        answers = at_once(*[partial(stage, source, target, text, text)] * 2)
        ended = [answer["ended"] for answer in answers]
        assert {*ended} <= {"committed", "unchanged", "AttemptSuperseded"}, ended
        assert {answer["snapshot"] for answer in answers if answer["ended"] == "committed"} == {
            header_of(target)["snapshot"]
        }
        assert {*values_of(target).values()} == {text}
    assert len(headers_by_id(target)) == 1 + ROUNDS


def test_readers_of_a_target_that_comes_and_goes_see_it_whole_or_not_at_all(source: Path, tmp_path: Path) -> None:
    """Readers that come before the first commit find nothing, and no error but that one."""
    target = tmp_path / "out" / "later"

    def read_until_there() -> Answer:
        missing = 0
        while True:
            try:
                with open_snapshot(target, verify=True) as snapshot:
                    return {"texts": sorted({record.value for record in snapshot}), "missing": missing}
            except ManifestMissing:
                missing += 1

    *readers, writer = at_once(*[read_until_there] * READERS, partial(stage, source, target, "first", "first"))
    assert writer["ended"] == "committed"
    assert [answer.get("texts") for answer in readers] == [["first"]] * READERS, readers


def test_a_pinned_snapshot_that_is_replaced_while_it_is_looked_for_is_found(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = {"target": str(target), "snapshot": header_of(target)["snapshot"]}
    hold, replaced = holding.hold, []

    def replace_then_hold(path: Path) -> Any:
        if not replaced:
            replaced.append(path)
            stage(source, target, "second", "second")
        return hold(path)

    monkeypatch.setattr(holding, "hold", replace_then_hold)
    with open_snapshot(pinned) as snapshot:
        assert {record.value for record in snapshot} == {"first"}
    assert replaced == [target]
