"""A run with a snapshot there already: only what is new, changed, missing or made by other code is computed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Outcome, errors, transform_directory
from tests.core.conftest import Run
from tests.core.directories import (
    assert_whole,
    header_of,
    lines_of,
    nothing_lost,
    orphans_of,
    retired_of,
    values_of,
    write_texts,
)
from tests.core.seed import shout


def did(outcome: Outcome) -> tuple[int, int]:
    return outcome.counts["computed"], outcome.counts["carried"]


def own_key(path: str) -> str:
    return Path(path).read_text()


def own_key_or_nothing(path: str) -> str | None:
    return None if path.endswith("a.txt") else Path(path).read_text()


def keys_in_another_order(path: str) -> Iterator[tuple[str, str]]:
    yield str(1000 - ord(Path(path).stem[0])), Path(path).read_text()


def two_keys(path: str) -> Iterator[tuple[str, str]]:
    for name in ("one", "two"):
        yield f"{name}-{Path(path).stem}", Path(path).read_text()


@pytest.mark.parametrize(
    ("read", "one_to_one"),
    [(own_key, True), (own_key_or_nothing, True), (keys_in_another_order, False), (two_keys, False)],
)
def test_lists_are_read_beside_the_source_whatever_their_order(
    run: Run, texts: Path, target: Path, read: Callable[[str], Any], one_to_one: bool
) -> None:
    run(read=read)
    assert header_of(target).get("one_to_one", False) is one_to_one
    assert run(read=read).outcome == "unchanged"
    write_texts(texts, c="changed", d="new")
    (texts / "b.txt").unlink()
    assert did(run(read=read)) == (2, 1)
    assert_whole(target)
    assert set(values_of(target).values()) == {"changed", "new"} | (
        {"alpha"} if read is not own_key_or_nothing else set()
    )


class TestWhatRuns:
    @pytest.fixture(autouse=True)
    def first(self, run: Run) -> Outcome:
        return run()

    def test_nothing(self, run: Run, target: Path, first: Outcome) -> None:
        with nothing_lost(target):
            outcome = run()
        assert (outcome.outcome, outcome.snapshot) == ("unchanged", first.snapshot)
        assert orphans_of(target) == retired_of(target) == []

    def test_a_new_file_with_an_early_name(self, run: Run, texts: Path, target: Path, first: Outcome) -> None:
        write_texts(texts, A="late")
        os.utime(texts / "A.txt", ns=(0, 0))
        assert did(run()) == (1, 3)
        assert list(values_of(target)) == ["A", "a", "b", "c"]
        assert header_of(target)["base"] == first.snapshot
        assert_whole(target)

    def test_a_changed_file(self, run: Run, texts: Path, target: Path) -> None:
        write_texts(texts, b="BETA")
        assert did(run()) == (1, 2)
        assert values_of(target)["b"] == "BETA"

    def test_a_file_of_the_same_size_and_another_time(self, run: Run, texts: Path) -> None:
        os.utime(texts / "b.txt", ns=(1, 1))
        assert did(run()) == (1, 2)
        assert run().outcome == "unchanged"

    @pytest.mark.parametrize("workers", [1, 2])
    @pytest.mark.parametrize("seconds", [300_000_000_000, 9_223_372_037, -9_223_372_037])
    def test_nothing_where_a_time_does_not_fit_into_64_bits(
        self, run: Run, texts: Path, target: Path, seconds: int, workers: int
    ) -> None:
        write_texts(texts, d="delta")
        (texts / "link.txt").symlink_to("d.txt")
        os.utime(texts / "d.txt", (seconds, seconds))
        if (texts / "d.txt").stat().st_mtime != seconds:
            pytest.skip("needs a file system that keeps such times")
        assert did(run(workers=workers)) == (2, 3)
        assert run(workers=workers).outcome == "unchanged"
        os.utime(target / "d.txt", (seconds, seconds))
        write_texts(texts, e="epsilon")
        assert did(run(workers=workers)) == (1, 5)
        write_texts(texts, d="change")
        assert did(run(workers=workers)) == (2, 4)
        assert_whole(target)

    def test_a_removed_file(self, run: Run, texts: Path, target: Path) -> None:
        (texts / "b.txt").unlink()
        assert did(run()) == (0, 2)
        assert sorted(os.listdir(target)) == ["_dirops", "a.txt", "c.txt"]
        assert_whole(target)

    @pytest.mark.parametrize("name", ["a.txt", "b.txt", "c.txt"])
    def test_a_missing_output(self, run: Run, target: Path, name: str) -> None:
        (target / name).unlink()
        assert did(run()) == (1, 2)
        assert_whole(target)

    @pytest.mark.parametrize("damage", ["shorter", "newer", "a link", "locked and newer"])
    def test_a_damaged_output(self, run: Run, target: Path, damage: str) -> None:
        path = target / "b.txt"
        path.unlink()
        match damage:
            case "shorter":
                path.write_text("bet")
            case "newer":
                path.write_text("bEta")
            case "a link":
                path.symlink_to("a.txt")
            case "locked and newer":
                path.mkdir()
        assert did(run()) == (1, 2)
        assert values_of(target)["b"] == "beta"
        assert_whole(target)

    def test_one_that_was_only_touched_is_kept(self, run: Run, texts: Path, target: Path) -> None:
        os.utime(target / "b.txt")
        assert run().outcome == "unchanged"

    def test_other_code(self, run: Run) -> None:
        def other(path: str) -> str:
            return Path(path).read_text() + "!"

        assert did(run(read=other)) == (3, 0)
        assert run(read=other).outcome == "unchanged"

    def test_other_params(self, run: Run) -> None:
        def numbered(path: str, *, params: dict[str, int]) -> str:
            return f"{params['n']}"

        run(read=numbered, params={"n": 1})
        assert did(run(read=numbered, params={"n": 2})) == (3, 0)
        assert run(read=numbered, params={"n": 2}).outcome == "unchanged"

    def test_not_for_params_that_the_function_does_not_ask_for(self, run: Run) -> None:
        assert run(params={"requested_by": "somebody"}).outcome == "unchanged"

    def test_another_codec(self, run: Run, target: Path) -> None:
        run(codec="json")
        assert sorted(os.listdir(target)) == ["_dirops", "a.json", "b.json", "c.json"]

    def test_another_version_and_nothing_else_where_one_is_given(self, run: Run) -> None:
        run(version="1")
        assert run(version="1", read=lambda path: "quite another").outcome == "unchanged"
        assert did(run(version="2", read=lambda path: "quite another")) == (3, 0)

    def test_everything_on_request(self, run: Run, target: Path, first: Outcome) -> None:
        outcome = run(redo="all")
        assert did(outcome) == (3, 0)
        assert outcome.snapshot != first.snapshot

    def test_skipped_inputs_are_not_asked_again(self, run: Run, texts: Path, tmp_path: Path) -> None:
        seen = tmp_path / "seen"

        def read(path: str) -> None:
            with open(seen, "a") as file:
                file.write(path[-5])

        run(read=read, empty="commit")
        write_texts(texts, d="delta")
        assert run(read=read, empty="commit").counts["skipped"] == 4
        assert seen.read_text() == "abcd"


class TestChained:
    def test_digests_tell_what_changed_and_not_times(self, run: Run, texts: Path, target: Path, tmp_path: Path) -> None:
        def final() -> Outcome:
            return transform_directory(source=target, target=tmp_path / "final", transform=shout, codec="text")

        run()
        final()
        write_texts(texts, b="other")
        for name in ("a", "c"):
            os.utime(texts / f"{name}.txt")
        assert did(run()) == (3, 0)
        assert did(final()) == (1, 2)
        run(redo="all")
        assert final().outcome == "unchanged"


class TestCarriedOver:
    def test_files_keep_their_inode(self, run: Run, texts: Path, target: Path) -> None:
        run()
        before = {name: (target / name).stat().st_ino for name in ("a.txt", "c.txt")}
        write_texts(texts, b="changed")
        run()
        assert {name: (target / name).stat().st_ino for name in before} == before
        assert (target / "a.txt").stat().st_nlink == 2  # the retired snapshot has it too

    def test_outputs_are_read_only(self, run: Run, target: Path) -> None:
        run()
        assert not any(path.stat().st_mode & 0o222 for path in target.glob("*.txt"))
        assert stat.S_IMODE((target / "a.txt").stat().st_mode) == 0o444

    def test_where_links_are_refused_they_are_copied(
        self, run: Run, texts: Path, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: Any, **named: Any) -> None:
            raise PermissionError(1, "links are not allowed here")

        run()
        before = (target / "a.txt").stat().st_ino
        write_texts(texts, b="changed")
        monkeypatch.setattr(os, "link", refuse)
        assert did(run()) == (1, 2)
        assert (target / "a.txt").stat().st_ino != before
        assert_whole(target)

    def test_from_a_base_that_was_not_durable(self, run: Run, texts: Path, target: Path) -> None:
        run(durability="process")
        write_texts(texts, b="changed")
        run(durability="full")
        assert header_of(target)["durability"] == "full"
        assert_whole(target)


class TestQuarantine:
    @pytest.fixture
    def fussy(self) -> Callable[[str], str]:
        def fussy(path: str) -> str:
            text = Path(path).read_text()
            if text.startswith("b"):
                raise ValueError(text)
            return text

        return fussy

    def test_is_retried_and_the_same_again_is_unchanged(self, run: Run, target: Path, fussy: Any) -> None:
        first = run(read=fussy, on_error="quarantine")
        with nothing_lost(target):
            again = run(read=fussy, on_error="quarantine")
        assert (again.outcome, again.snapshot) == ("unchanged", first.snapshot)
        assert again.counts["quarantined"] == 1
        assert orphans_of(target) == []

    def test_all_of_them_failing_again_is_unchanged(self, run: Run, target: Path) -> None:
        def never(path: str) -> None:
            raise ValueError

        run(read=never, on_error="quarantine", max_failures="100%")
        assert run(read=never, on_error="quarantine", max_failures="100%").outcome == "unchanged"
        assert_whole(target)

    def test_nothing_but_failures_is_no_snapshot_unless_allowed(self, run: Run, target: Path) -> None:
        run()

        def never(path: str) -> None:
            raise ValueError

        with (
            nothing_lost(target),
            pytest.raises(errors.TooManyFailures, match="every input of stage copy failed, 3 of 3"),
        ):
            run(read=never, on_error="quarantine")

    def test_a_retry_that_succeeds_is_committed(self, run: Run, target: Path, tmp_path: Path) -> None:
        cure = tmp_path / "cure"

        def needy(path: str) -> str:
            if path.endswith("b.txt") and not cure.exists():
                raise ValueError("ill")
            return "well"

        run(read=needy, on_error="quarantine", version="1")
        cure.touch()
        outcome = run(read=needy, on_error="quarantine", version="1")
        assert (did(outcome), outcome.counts["quarantined"]) == ((1, 2), 0)
        assert_whole(target)

    def test_without_quarantine_a_retry_fails(self, run: Run, target: Path, fussy: Any) -> None:
        run(read=fussy, on_error="quarantine")
        with nothing_lost(target), pytest.raises(errors.RecordFailed, match=r"b\.txt"):
            run(read=fussy)

    def test_a_changed_file_leaves_it(self, run: Run, texts: Path, target: Path, fussy: Any) -> None:
        run(read=fussy, on_error="quarantine")
        write_texts(texts, b="now fine")
        assert run(read=fussy, on_error="quarantine").counts["quarantined"] == 0
        assert lines_of(target, "quarantine.jsonl") == []

    @pytest.mark.parametrize(
        ("budget", "fails"), [(None, False), (0, True), (1, False), ("25%", True), ("33%", True), ("34%", False)]
    )
    def test_within_a_budget(self, run: Run, target: Path, fussy: Any, budget: Any, fails: bool) -> None:
        run()
        if not fails:
            assert run(read=fussy, on_error="quarantine", max_failures=budget).counts["quarantined"] == 1
            return
        with nothing_lost(target), pytest.raises(errors.TooManyFailures, match=r"(?s)1 of 3 inputs.*allows 0.*b\.txt"):
            run(read=fussy, on_error="quarantine", max_failures=budget)
        assert run().outcome == "unchanged"
        assert orphans_of(target) == []

    @pytest.mark.parametrize("budget", [-1, "x", "101%", "-1%", "1", True, 1.5, "nan%", "%"])
    def test_a_budget_that_is_none(self, run: Run, budget: Any) -> None:
        with pytest.raises(errors.ArgumentRefused, match="max_failures="):
            run(max_failures=budget)


@pytest.mark.parametrize("option", ["empty", "on_error", "durability", "on_conflict"])
def test_choices_are_checked_before_anything_else(run: Run, target: Path, option: str) -> None:
    with pytest.raises(errors.ArgumentRefused, match=f"{option}='sometimes' is none of"):
        run(**{option: "sometimes"})
    assert not target.parent.exists()
