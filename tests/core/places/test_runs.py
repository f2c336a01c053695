"""Tries, clears and rivals: who may commit, and what a run makes of what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Attempt, LogicalRun, Outcome, errors
from tests.core.conftest import Run
from tests.core.directories import assert_whole, header_of, nothing_lost, orphans_of, values_of, write_texts

MINE = LogicalRun("images", "scheduled__2026-11-01", "to_numpy", -1)
OTHER = LogicalRun("images", "manual__2026-11-02", "to_numpy", -1)


def attempt(number: int = 1, *, first: int = 1, at: int = 0, run: LogicalRun = MINE, order: str = "") -> Attempt:
    """A try; ``at`` orders the ids of its task instance by time."""
    ti_id = f"0190{at or number:04d}-0000-7000-8000-000000000000"
    return Attempt(run=run, try_number=number, first_try_number=first, ti_id=ti_id, order=order)


@pytest.fixture
def meanwhile(run: Run) -> Callable[..., Outcome]:
    """Run the stage, and in the middle of its first file do something else."""

    def run_with(interlude: Callable[[], object], **options: Any) -> Outcome:
        waiting = [interlude]

        def read(path: str) -> str:
            while waiting:
                waiting.pop()()
            return "slow " + Path(path).read_text()

        return run(read=read, version="slow", **options)

    return run_with


class TestRivals:
    def test_of_two_runs_the_first_to_commit_wins(
        self, run: Run, meanwhile: Callable[..., Outcome], target: Path
    ) -> None:
        with pytest.raises(errors.TargetConflict) as caught:
            meanwhile(lambda: run(attempt=attempt(run=OTHER)), attempt=attempt())
        message = str(caught.value)
        assert "images.to_numpy, run 'manual__2026-11-02', try 1" in message
        assert str(target) in message
        assert values_of(target)["a"] == "alpha"
        assert_whole(target)
        assert meanwhile(lambda: None, attempt=attempt(2)).outcome == "committed"
        assert orphans_of(target) == []

    def test_also_where_both_replace_a_snapshot(
        self, run: Run, meanwhile: Callable[..., Outcome], target: Path, texts: Path
    ) -> None:
        run()

        def interlude() -> None:
            write_texts(texts, d="other")
            run()

        with pytest.raises(errors.TargetConflict, match="committed after this attempt began"):
            meanwhile(interlude)
        assert values_of(target)["d"] == "other"

    def test_the_last_may_win_on_request(self, run: Run, meanwhile: Callable[..., Outcome], target: Path) -> None:
        assert meanwhile(run, on_conflict="last").outcome == "committed"
        assert values_of(target)["a"] == "slow alpha"
        assert_whole(target)

    @pytest.mark.parametrize(("mine", "theirs", "wins"), [("2", "1", True), ("1", "2", False), ("1", "1", True)])
    def test_or_the_newest(
        self, run: Run, meanwhile: Callable[..., Outcome], target: Path, mine: str, theirs: str, wins: bool
    ) -> None:
        def rival() -> None:
            run(attempt=attempt(run=OTHER, order=theirs))

        if wins:
            meanwhile(rival, attempt=attempt(order=mine), on_conflict="newest")
        else:
            with pytest.raises(errors.TargetConflict, match="a later time"):
                meanwhile(rival, attempt=attempt(order=mine), on_conflict="newest")
        assert header_of(target)["attempt"]["order"] == (mine if wins else theirs)

    def test_a_live_attempt_is_left_alone(self, run: Run, meanwhile: Callable[..., Outcome], target: Path) -> None:
        found: list[int] = []

        def rival() -> None:
            run()
            found.append(len(orphans_of(target)))

        with pytest.raises(errors.TargetConflict):
            meanwhile(rival)
        assert found == [1]

    def test_a_directory_that_appears_meanwhile(self, meanwhile: Callable[..., Outcome], target: Path) -> None:
        with pytest.raises(errors.TargetConflict, match="appeared or changed while this attempt was at work"):
            meanwhile(lambda: write_texts(target, precious="thesis"))
        assert (target / "precious.txt").read_text() == "thesis"


def instance(map_index: int, number: int = 1, run_id: str = "r") -> Attempt:
    """A try of a mapped task's instance."""
    return attempt(number, run=LogicalRun("d", run_id, "t", map_index))


class TestMappedInstances:
    """Instances of one run that name one target would replace each other, and all but one be lost in green."""

    @pytest.mark.parametrize("on_conflict", ["fail", "newest", "last"])
    @pytest.mark.parametrize("changes", [{}, {"redo": "all"}, {"source": "others"}])
    def test_one_never_replaces_another_s_snapshot(
        self, run: Run, target: Path, tmp_path: Path, on_conflict: str, changes: dict[str, Any]
    ) -> None:
        run(attempt=instance(0))
        write_texts(tmp_path / "others", x="other")
        if "source" in changes:
            changes = {"source": tmp_path / "others"}
        with nothing_lost(target), pytest.raises(errors.TargetRefused, match=r"expand_kwargs.*source.*target"):
            run(attempt=instance(1), on_conflict=on_conflict, **changes)
        assert orphans_of(target) == []

    def test_nor_where_both_were_at_work_at_once(
        self, run: Run, meanwhile: Callable[..., Outcome], target: Path
    ) -> None:
        with pytest.raises(errors.TargetRefused, match="instance 0 of the same run 'r' has committed"):
            meanwhile(lambda: run(attempt=instance(0)), attempt=instance(1), on_conflict="last")
        assert values_of(target)["a"] == "alpha"

    def test_nor_where_a_third_run_has_committed_since(self, run: Run, texts: Path, target: Path) -> None:
        run(attempt=instance(0))
        write_texts(texts, d="delta")
        run()
        with nothing_lost(target), pytest.raises(errors.TargetRefused, match="instance 0"):
            run(attempt=instance(1), on_conflict="last", redo="all")

    def test_nor_a_cleared_one(self, run: Run, target: Path) -> None:
        run(attempt=instance(0))
        with nothing_lost(target), pytest.raises(errors.TargetRefused, match="instance 0"):
            run(attempt=attempt(2, first=2, run=instance(1).run))

    def test_an_instance_replaces_its_own(self, run: Run, texts: Path) -> None:
        run(attempt=instance(1))
        write_texts(texts, d="delta")
        assert run(attempt=instance(1, 2)).outcome == "committed"

    def test_another_run_replaces_it_whichever_instance_it_is(self, run: Run, texts: Path) -> None:
        run(attempt=instance(5, 5))
        assert run(attempt=instance(1, run_id="next")).outcome == "unchanged"
        write_texts(texts, d="delta")
        assert run(attempt=instance(2, run_id="after next")).outcome == "committed"


class TestTries:
    def test_a_zombie_cannot_commit_once_a_newer_try_began(
        self, run: Run, meanwhile: Callable[..., Outcome], target: Path
    ) -> None:
        with pytest.raises(errors.AttemptSuperseded, match=r"try 1 of images\.to_numpy"):
            meanwhile(lambda: run(attempt=attempt(2)), attempt=attempt(1))
        assert values_of(target)["a"] == "alpha"

    def test_nor_where_the_newer_one_failed(self, run: Run, meanwhile: Callable[..., Outcome], target: Path) -> None:
        def newer() -> None:
            with pytest.raises(errors.RecordFailed):
                run(read=lambda path: 1 / 0, attempt=attempt(2))

        with pytest.raises(errors.AttemptSuperseded):
            meanwhile(newer, attempt=attempt(1))
        assert not target.exists()

    def test_an_older_try_cannot_begin(self, run: Run, target: Path) -> None:
        run(attempt=attempt(2))
        with (
            nothing_lost(target),
            pytest.raises(errors.AttemptSuperseded, match=r"claim is try 2, begun 20\d\d-\d\d-\d\dT"),
        ):
            run(attempt=attempt(1), redo="all")

    def test_a_try_that_died_after_its_commit_is_taken_over(self, run: Run, target: Path) -> None:
        first = run(attempt=attempt(1))
        with nothing_lost(target):
            second = run(attempt=attempt(2))
        assert (second.outcome, second.snapshot) == ("committed", first.snapshot)
        assert second.counts["computed"] == 0

    def test_another_run_with_nothing_new_is_unchanged(self, run: Run) -> None:
        run(attempt=attempt(1))
        assert run(attempt=attempt(run=OTHER)).outcome == "unchanged"
        assert run(attempt=attempt(2)).outcome == "committed"

    def test_a_cleared_success_is_computed_again(self, run: Run) -> None:
        first = run(attempt=attempt(1))
        cleared = run(attempt=attempt(2, first=2))
        assert cleared.counts["computed"] == 3
        assert cleared.snapshot != first.snapshot
        assert run(attempt=attempt(3, first=2)).snapshot == cleared.snapshot

    def test_a_cleared_failure_is_resumed(self, run: Run, texts: Path, target: Path) -> None:
        (texts / "c.txt").write_bytes(b"\xff")
        for number, first in ((1, 1), (2, 2)):
            with pytest.raises(errors.RecordFailed, match=r"c\.txt"):
                run(attempt=attempt(number, first=first), durability="process")
        write_texts(texts, c="mended")
        outcome = run(attempt=attempt(3, first=3), durability="process")
        assert (outcome.counts["computed"], outcome.counts["reused"]) == (1, 2)
        assert_whole(target)
        assert orphans_of(target) == []

    def test_a_run_that_was_deleted_and_made_again_begins_anew(self, run: Run) -> None:
        committed = run(attempt=attempt(5, at=1))
        again = run(attempt=attempt(1, at=2))
        assert (again.outcome, again.snapshot) == ("unchanged", committed.snapshot)
        assert run(attempt=attempt(1, at=3), redo="all").outcome == "committed"

    def test_the_manifest_names_the_try(self, run: Run, target: Path) -> None:
        mine = attempt(3, order="2026-11-01")
        run(attempt=mine)
        found: dict[str, Any] = header_of(target)["attempt"]
        expected = {"dag_id": "images", "run_id": "scheduled__2026-11-01", "task_id": "to_numpy", "map_index": -1}
        expected |= {"id": mine.id, "try_number": 3, "ti_id": mine.ti_id, "order": "2026-11-01"}
        assert found == expected


class TestWithoutAScheduler:
    def test_every_call_is_a_run_of_its_own(self, run: Run, target: Path) -> None:
        run()
        first = header_of(target)["attempt"]
        run(redo="all")
        assert header_of(target)["attempt"]["run_id"] != first["run_id"]

    def test_calls_that_name_a_run_are_tries_of_it(self, run: Run) -> None:
        first = run(run="nightly")
        again = run(run="nightly")
        assert (again.outcome, again.snapshot) == ("committed", first.snapshot)
