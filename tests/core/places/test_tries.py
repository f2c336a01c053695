"""What a try makes of what other attempts left: which of it is reused, who is left alone, and what is said of both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from airflow_dirops.core import Attempt, LogicalRun, Outcome, errors, upkeep
from tests.core.conftest import Run
from tests.core.directories import control_of, orphans_of, write_texts

MINE = LogicalRun("images", "mine", "to_numpy")
OTHER = LogicalRun("images", "other", "to_numpy")
ANOTHER_BOOT = "00000000-0000-4000-8000-000000000000"


def attempt(number: int = 1, *, first: int = 1, run: LogicalRun = MINE) -> Attempt:
    return Attempt(run=run, try_number=number, first_try_number=first)


@pytest.fixture
def fail(run: Run) -> Callable[..., None]:
    """Run the stage until it fails at the last of its three inputs."""

    def fail(**changes: Any) -> None:
        def read(path: str) -> str:
            if path.endswith("c.txt"):
                raise ValueError(path)
            return Path(path).read_text()

        with pytest.raises(errors.RecordFailed):
            run(**{"read": read, "version": "1", **changes})

    return fail


def counts(outcome: Outcome) -> tuple[int, int]:
    return outcome.counts["computed"], outcome.counts["reused"]


class TestMakingEverythingAnew:
    def test_a_retry_continues(self, run: Run, fail: Callable[..., None]) -> None:
        run(version="1")
        fail(attempt=attempt(1), redo="all")
        fail(attempt=attempt(2), redo="all")
        assert counts(run(attempt=attempt(3), redo="all", version="1")) == (1, 2)

    def test_but_not_with_what_another_run_made(self, run: Run, fail: Callable[..., None]) -> None:
        fail(attempt=attempt(run=OTHER), redo="all")
        fail(attempt=attempt(run=OTHER))
        assert counts(run(attempt=attempt(), redo="all", version="1")) == (3, 0)

    def test_nor_with_what_this_run_had_not_made_anew(self, run: Run, fail: Callable[..., None]) -> None:
        fail(attempt=attempt(run=OTHER))
        fail(attempt=attempt(1))  # it reused the other's
        assert counts(run(attempt=attempt(2), redo="all", version="1")) == (3, 0)

    def test_nor_with_what_was_made_before_the_task_was_cleared(self, run: Run, fail: Callable[..., None]) -> None:
        fail(attempt=attempt(1), redo="all")
        assert counts(run(attempt=attempt(2, first=2), redo="all", version="1")) == (3, 0)

    def test_nor_with_that_of_a_run_of_the_same_name_that_was_deleted(
        self, run: Run, fail: Callable[..., None]
    ) -> None:
        fail(attempt=attempt(2), redo="all")
        fail(attempt=attempt(1), redo="all")
        assert counts(run(attempt=attempt(3), redo="all", version="1")) == (1, 2)
        fail(attempt=attempt(1, run=OTHER), redo="all")
        assert counts(run(attempt=attempt(1, run=OTHER), redo="all", version="1")) == (3, 0)

    def test_tries_outside_airflow_that_name_their_run_continue_too(self, run: Run, fail: Callable[..., None]) -> None:
        fail(run="nightly", redo="all")
        assert counts(run(run="nightly", redo="all", version="1")) == (1, 2)

    @pytest.mark.parametrize("changes", [{"redo": "all"}, {"version": "2"}])
    def test_tries_that_fail_do_not_fill_the_disk(
        self, run: Run, fail: Callable[..., None], texts: Path, target: Path, changes: dict[str, Any]
    ) -> None:
        write_texts(texts, a="a" * 100_000)
        run(version="1")
        sizes = []
        for number in range(1, 9):
            fail(attempt=attempt(number), **changes)
            sizes.append(bytes_below(control_of(target)))
        assert sizes[-1] < sizes[0] + 50_000
        assert len(orphans_of(target)) <= 6


def bytes_below(directory: Path) -> int:
    """On disk: a file with many names counts once."""
    files = {path.stat().st_ino: path.stat().st_size for path in directory.rglob("*") if path.is_file()}
    return sum(files.values())


class TestClearing:
    def test_computes_everything_also_where_another_run_has_committed_since(self, run: Run, texts: Path) -> None:
        run(attempt=attempt())
        write_texts(texts, d="delta")
        run(attempt=attempt(run=OTHER))
        assert counts(run(attempt=attempt(2, first=2))) == (4, 0)

    def test_the_retry_of_that_continues(self, run: Run, fail: Callable[..., None]) -> None:
        run(attempt=attempt(), version="1")
        run(attempt=attempt(run=OTHER), version="1", redo="all")
        fail(attempt=attempt(2, first=2))
        assert counts(run(attempt=attempt(3, first=2), version="1")) == (1, 2)

    def test_is_done_with_once_it_has_committed(self, run: Run, texts: Path) -> None:
        run(attempt=attempt())
        cleared = run(attempt=attempt(2, first=2))
        assert run(attempt=attempt(3, first=2)).snapshot == cleared.snapshot
        run(attempt=attempt(run=OTHER), redo="all")
        assert run(attempt=attempt(4, first=2)).outcome == "unchanged"

    def test_of_a_task_that_had_failed_continues(self, run: Run, fail: Callable[..., None]) -> None:
        run(attempt=attempt(run=OTHER), version="0")
        fail(attempt=attempt(1))
        assert counts(run(attempt=attempt(2, first=2), version="1")) == (1, 2)


def move_away(target: Path, **changes: str) -> Path:
    """Let the dead attempt be that of another pod."""
    (name,) = orphans_of(target)
    owner = control_of(target) / "attempts" / name / "owner.json"
    owner.write_bytes(msgspec.json.encode(msgspec.json.decode(owner.read_bytes()) | changes))
    return owner.parent


class TestOtherHosts:
    def test_a_pod_of_another_name_on_the_same_machine_continues(
        self, run: Run, fail: Callable[..., None], target: Path
    ) -> None:
        fail()
        move_away(target, host="pod-2")
        assert counts(run(version="1")) == (1, 2)

    def test_and_cleans_up(self, fail: Callable[..., None], target: Path) -> None:
        fail()
        orphan = move_away(target, host="pod-2")
        assert upkeep.clean(target).orphans == [orphan.name]

    def test_what_another_machine_finished_is_left_alone_for_a_while_and_that_is_said(
        self, run: Run, fail: Callable[..., None], target: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        fail(attempt=attempt(run=OTHER))
        orphan = move_away(target, host="pod-2", boot=ANOTHER_BOOT)
        (left,) = upkeep.clean(target).left
        assert "run 'other'" in left
        assert "pod-2" in left
        assert "is left alone until 20" in left
        assert counts(run(version="1")) == (3, 0)
        assert left in caplog.text
        long_ago = time.time() - 3600
        os.utime(orphan / "alive", (long_ago, long_ago))
        assert upkeep.clean(target).orphans == [orphan.name]

    def test_where_the_boot_is_not_known_the_name_decides(
        self, run: Run, fail: Callable[..., None], target: Path
    ) -> None:
        fail()
        move_away(target, host="pod-2", boot="unknown")
        assert counts(run(version="1")) == (3, 0)


def test_a_run_is_told_at_once_of_another_at_work(run: Run, caplog: pytest.LogCaptureFixture, target: Path) -> None:
    waiting: list[Callable[[], Any]] = [lambda: run(attempt=attempt(run=OTHER))]

    def read(path: str) -> str:
        while waiting:
            waiting.pop()()
        return Path(path).read_text()

    with pytest.raises(errors.TargetConflict):
        run(read=read, attempt=attempt())
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert str(target) in said
    assert "images.to_numpy (run 'mine'), try 1" in said
    assert "is at work on this target too, since 20" in said


def test_the_log_says_why_a_cleared_run_makes_all_again(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    logical = LogicalRun("dag", "run", "task")
    run(attempt=Attempt(run=logical, try_number=1))
    caplog.clear()
    with caplog.at_level("INFO"):
        run(attempt=Attempt(run=logical, try_number=2, first_try_number=2))
    assert any(message.endswith(": 3 redo (this run had committed and was cleared)") for message in caplog.messages)
