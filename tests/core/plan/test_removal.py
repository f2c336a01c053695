"""A source that shows a part of itself for a moment must not cost the rest of the target, unless somebody says so."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dirops.core import Outcome, errors, read_directory, transform_directory, upkeep
from airflow_dirops.core.stage.policies import removal_bound
from tests.core.conftest import Run
from tests.core.directories import assert_whole, control_of, header_of, nothing_lost, values_of, write_texts
from tests.core.seed import read_text


def numbered(count: int, first: int = 0) -> dict[str, str]:
    return {f"n{number:04}": str(number) for number in range(first, first + count)}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "raw", **numbered(40))


@pytest.fixture
def copied(raw: Path, target: Path, run: Run) -> Run:
    def copied(**changes: Any) -> Outcome:
        return run(**{"source": raw, **changes})

    copied()
    return copied


def keep(directory: Path, count: int) -> None:
    for path in sorted(directory.iterdir())[count:]:
        path.unlink()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("options", [{}, {"redo": "all"}, {"version": "2"}, {"on_error": "quarantine"}])
class TestHalfByDefault:
    def test_more_is_refused(self, copied: Run, raw: Path, target: Path, workers: int, options: dict[str, Any]) -> None:
        keep(raw, 19)
        with nothing_lost(target), pytest.raises(errors.TooManyRemoved, match="21 of the 40 results") as told:
            copied(workers=workers, **options)
        for part in (str(target), str(raw), "may not be mounted", "half of them, by default", "dirops accept-removal"):
            assert part in str(told.value)

    def test_half_may_go(self, copied: Run, raw: Path, target: Path, workers: int, options: dict[str, Any]) -> None:
        keep(raw, 20)
        assert copied(workers=workers, **options).counts["entries"] == 20
        assert_whole(target)


def test_of_a_few_all_may_go(run: Run, texts: Path, target: Path) -> None:
    write_texts(texts, **numbered(16))
    run()
    keep(texts, 1)
    assert run().counts["entries"] == 1


@pytest.mark.parametrize("bound", [0, 1, "0%", "5%", "33.4%"])
def test_a_bound_that_is_given_counts_for_a_few_too(run: Run, texts: Path, target: Path, bound: int | str) -> None:
    run()
    keep(texts, 1)
    with nothing_lost(target), pytest.raises(errors.TooManyRemoved, match=r"2 of the 3 results"):
        run(max_removed=bound)


@pytest.mark.parametrize("bound", [2, "67%", "100%"])
def test_a_bound_that_is_kept(run: Run, texts: Path, bound: int | str) -> None:
    run()
    keep(texts, 1)
    assert run(max_removed=bound).counts["entries"] == 1


@pytest.mark.parametrize("bound", [-1, True, 1.5, "half", "101%", "-1%", "nan%", ""])
def test_no_bound(run: Run, bound: Any) -> None:
    with pytest.raises(errors.ArgumentRefused, match=r"max_removed=.*neither a count, such as 5, nor a percentage"):
        run(max_removed=bound)


@given(st.integers(0, 10**6), st.floats(0, 100))
def test_a_percentage_never_lets_more_go(results: int, percentage: float) -> None:
    bound = removal_bound(f"{percentage!r}%" if "e" not in repr(percentage) else "0%", results)
    assert 0 <= bound <= results


class TestWhatCounts:
    def test_renamed_files_are_no_loss(self, copied: Run, raw: Path) -> None:
        for path in list(raw.iterdir()):
            path.rename(raw / f"renamed-{path.name}")
        assert copied().counts["entries"] == 40

    def test_so_are_those_that_give_many_each(self, raw: Path, run: Run) -> None:
        def twice(path: str) -> Iterator[tuple[str, str]]:
            for number in range(2):
                yield f"{Path(path).stem}-{number}", read_text(path) or ""

        run(source=raw, read=twice)
        for path in list(raw.iterdir()):
            path.rename(raw / f"renamed-{path.name}")
        assert run(source=raw, read=twice).counts["entries"] == 80

    def test_a_function_that_gives_nothing_now(self, copied: Run, target: Path) -> None:
        def few(path: str) -> str | None:
            return read_text(path) if path.endswith("1.txt") else None

        with nothing_lost(target), pytest.raises(errors.TooManyRemoved, match="36 of the 40 results"):
            copied(read=few)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_quarantine_that_swallows_them(self, copied: Run, target: Path, workers: int) -> None:
        def fails(path: str) -> str | None:
            if not path.endswith("1.txt"):
                raise ValueError(path)
            return read_text(path)

        with nothing_lost(target), pytest.raises(errors.TooManyRemoved, match="36 of the 40 results"):
            copied(read=fails, on_error="quarantine", workers=workers)

    def test_links_that_lead_nowhere(self, copied: Run, raw: Path, target: Path) -> None:
        for path in sorted(raw.iterdir())[:30]:
            path.unlink()
            path.symlink_to("/nowhere/x")
        with nothing_lost(target), pytest.raises(errors.TooManyRemoved, match="30 of the 40 results"):
            copied(on_error="quarantine")

    @pytest.mark.parametrize("redo", ["needed", "all"])
    def test_an_empty_source_that_is_committed(self, copied: Run, raw: Path, target: Path, redo: str) -> None:
        keep(raw, 0)
        with nothing_lost(target), pytest.raises(errors.TooManyRemoved, match="40 of the 40 results"):
            copied(empty="commit", redo=redo)
        with nothing_lost(target):
            assert copied(empty="skip").outcome == "skipped"

    def test_a_missing_folder_that_is_committed(self, copied: Run, raw: Path, target: Path) -> None:
        shutil.rmtree(raw)
        with nothing_lost(target), pytest.raises(errors.TooManyRemoved, match="40 of the 40 results"):
            copied(empty="commit")

    def test_an_aggregate_by_its_inputs(self, raw: Path, target: Path) -> None:
        def total(records: Iterator[Any]) -> str:
            return str(sum(1 for _ in records))

        options: dict[str, Any] = {"source": raw, "target": target, "read": read_text, "codec": "text"}
        transform_directory(**options, aggregate=total)
        keep(raw, 3)
        with nothing_lost(target), pytest.raises(errors.TooManyRemoved, match="37 of the 40 inputs"):
            transform_directory(**options, aggregate=total)
        transform_directory(**options, aggregate=total, max_removed="100%")
        assert values_of(target) == {"total": "3"}

    def test_joined_sources(self, raw: Path, target: Path, tmp_path: Path) -> None:
        other = write_texts(tmp_path / "other", **numbered(40))
        options: dict[str, Any] = {"source": [raw, other], "target": target, "read": read_text, "join": "inner"}
        options |= {"codec": "text", "stage": "s", "transform": lambda a, b: a + b}
        transform_directory(**options)
        keep(other, 5)
        with nothing_lost(target), pytest.raises(errors.TooManyRemoved, match="35 of the 40") as told:
            transform_directory(**options)
        assert str(raw) in str(told.value)
        assert str(other) in str(told.value)

    def test_a_trial_run_does_not(self, raw: Path, run: Run) -> None:
        assert run(source=raw, limit=30).counts["entries"] == 30
        assert run(source=raw, limit=2).counts["entries"] == 2

    def test_another_stages_results_do_not_unless_asked(self, copied: Run, raw: Path, target: Path) -> None:
        keep(raw, 1)
        other = {"stage": "other", "may_replace": {"other_stage"}}
        with nothing_lost(target), pytest.raises(errors.TooManyRemoved):
            copied(**other, max_removed="50%")
        assert copied(**other).counts["entries"] == 1


def test_finished_work_is_kept(copied: Run, raw: Path) -> None:
    def few(path: str) -> str | None:
        return read_text(path) if path.endswith("1.txt") else None

    with pytest.raises(errors.TooManyRemoved):
        copied(read=few)
    assert copied(read=few, max_removed="100%").counts["computed"] == 0


@pytest.mark.parametrize("how", ["function", "command", "argument"])
class TestLetThroughOnce:
    @pytest.fixture
    def let(self, target: Path, copied: Run, how: str) -> Callable[[], dict[str, Any]]:
        def let() -> dict[str, Any]:
            if how == "function":
                assert upkeep.accept_removal(target).snapshot == header_of(target)["snapshot"]
            elif how == "command":
                with pytest.raises(errors.TooManyRemoved) as told:
                    copied()
                advised = str(told.value).partition("or run: dirops ")[2]
                command = [sys.executable, "-m", "airflow_dirops", *shlex.split(advised)]
                assert "may drop any number of its" in subprocess.run(
                    command, check=True, capture_output=True, text=True
                ).stdout.replace("\n", " ")
            return {"max_removed": "100%"} if how == "argument" else {}

        return let

    def test_goes(self, copied: Run, raw: Path, target: Path, let: Callable[[], dict[str, Any]]) -> None:
        keep(raw, 1)
        assert copied(**let()).counts["entries"] == 1
        assert not (control_of(target) / "accepted-removal.json").exists()
        write_texts(raw, **numbered(40))
        copied()
        keep(raw, 1)
        with nothing_lost(target), pytest.raises(errors.TooManyRemoved):
            copied()

    def test_a_permission_is_for_one_snapshot(
        self, copied: Run, raw: Path, let: Callable[[], dict[str, Any]], how: str
    ) -> None:
        keep(raw, 19)
        let()
        write_texts(raw, **numbered(40))
        copied(redo="all")
        keep(raw, 1)
        with pytest.raises(errors.TooManyRemoved):
            copied()


def test_a_permission_for_another_snapshot_that_comes_in_mid_run(copied: Run, target: Path) -> None:
    """Somebody looked at the snapshot before, and was slow."""

    def few(path: str) -> str | None:
        permission = {"snapshot": "0190a5da-ac96-774b-bcce-b302099a8057"}
        (control_of(target) / "accepted-removal.json").write_text(json.dumps(permission))
        return read_text(path) if path.endswith("1.txt") else None

    with nothing_lost(target), pytest.raises(errors.TooManyRemoved, match="36 of the 40 results"):
        copied(read=few)


def test_a_permission_outlives_a_run_that_failed(copied: Run, raw: Path, target: Path) -> None:
    keep(raw, 1)
    upkeep.accept_removal(target)
    with pytest.raises(errors.RecordFailed):
        copied(read=lambda path: 1 / 0)
    assert copied().counts["entries"] == 1


def test_a_permission_that_a_commit_has_outlived_goes_with_the_next_run(copied: Run, raw: Path, target: Path) -> None:
    permission = control_of(target) / "accepted-removal.json"
    upkeep.accept_removal(target)
    assert copied().outcome == "unchanged"
    assert permission.exists()
    keep(raw, 39)
    copied()
    copied()
    assert not permission.exists()


def test_nobody_can_permit_what_is_no_target(tmp_path: Path) -> None:
    with pytest.raises(errors.ManifestMissing):
        upkeep.accept_removal(tmp_path / "nothing")


def test_a_dry_run_says_it(copied: Run, raw: Path, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep(raw, 1)
    with nothing_lost(target.parent):
        assert copied(dry_run=True).counts["removed"] == 39
    assert "a run would be refused: 39 of the 40 results" in caplog.text
    caplog.clear()
    copied(dry_run=True, max_removed="100%")
    assert "refused" not in caplog.text


def test_a_dry_run_says_what_cannot_be_opened(run: Run, texts: Path, caplog: pytest.LogCaptureFixture) -> None:
    (texts / "d.txt").symlink_to("/nowhere/x")
    run(dry_run=True)
    assert "a run would be refused: 1 of the inputs are links that lead nowhere" in caplog.text


def test_the_source_of_a_chain(raw: Path, tmp_path: Path) -> None:
    interim, final = tmp_path / "interim", tmp_path / "final"
    read_directory(source=raw, target=interim, read=read_text, codec="text", stage="one")
    transform_directory(source=interim, target=final, transform=str.upper, codec="text", version="1")
    keep(raw, 1)
    read_directory(source=raw, target=interim, read=read_text, codec="text", stage="one", max_removed="100%")
    with nothing_lost(final), pytest.raises(errors.TooManyRemoved, match="39 of the 40"):
        transform_directory(source=interim, target=final, transform=str.upper, codec="text", version="1")
