"""Nothing to publish: no folder, or nothing that came of the files; what ``empty=`` does, and why it was so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Outcome, errors, iter_plan, read_directory, transform_directory
from tests.core.conftest import Run
from tests.core.directories import assert_whole, nothing_lost, values_of, write_texts
from tests.core.seed import read_text, shout


def nothing(*_: Any) -> None:
    return None


def none_of_them(*_: Any) -> Iterator[tuple[str, str]]:
    yield from ()


class TestAMissingFolder:
    @pytest.fixture
    def missing(self, tmp_path: Path) -> Path:
        return tmp_path / "texts-of-sunday"

    def test_says_that_it_may_be_skipped(self, run: Run, target: Path, missing: Path) -> None:
        run()
        with nothing_lost(target), pytest.raises(errors.SourceMissing, match=r"if this one .*, set empty='skip'$"):
            run(source=missing)

    def test_is_skipped_and_the_log_says_why(
        self, run: Run, target: Path, missing: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = run()
        with nothing_lost(target), caplog.at_level("INFO"):
            outcome = run(source=missing, empty="skip")
        assert caplog.messages[-1].endswith(f" s: there is no folder '{missing}'")
        assert (outcome.outcome, outcome.snapshot) == ("skipped", first.snapshot)
        assert outcome.reason == f"there is no folder '{missing}'"

    def test_is_committed(self, run: Run, target: Path, missing: Path) -> None:
        run()
        assert run(source=missing, empty="commit").outcome == "committed"
        assert values_of(target) == {}
        assert_whole(target)
        assert run().counts["computed"] == 3

    def test_of_a_stage_that_reads_snapshots(self, target: Path, missing: Path) -> None:
        options: dict[str, Any] = {"source": missing, "target": target, "transform": shout, "codec": "text"}
        assert transform_directory(**options, empty="skip").outcome == "skipped"
        assert not target.exists()
        with pytest.raises(errors.SourceMissing):
            transform_directory(**options)

    def test_of_an_aggregate(self, target: Path, missing: Path) -> None:
        options: dict[str, Any] = {"source": missing, "target": target, "codec": "text", "empty": "skip"}
        assert transform_directory(**options, aggregate=nothing).outcome == "skipped"

    def test_planned(self, run: Run, target: Path, missing: Path) -> None:
        run()
        planned = iter_plan(source=missing, target=target, read=read_text, codec="text", stage="copy", empty="skip")
        assert {one.reason for one in planned} == {"removed"}
        assert run(source=missing, empty="skip", dry_run=True).counts["inputs"] == 0

    @pytest.mark.parametrize("empty", ["fail", "skip", "commit"])
    def test_with_the_one_above(self, run: Run, target: Path, missing: Path, empty: str) -> None:
        """The disk is away, and not the day."""
        run()
        above = f"above it that is there is '{missing.parent}'; .* want '{missing}'"
        with nothing_lost(target), pytest.raises(errors.SourceMissing, match=above):
            run(source=missing / "deeper", empty=empty)
        write_texts(missing, another="day")  # as it says
        if empty == "skip":
            assert run(source=missing / "deeper", empty=empty).outcome == "skipped"

    @pytest.mark.parametrize("empty", ["fail", "skip", "commit"])
    def test_that_is_a_link_to_what_is_away(self, run: Run, target: Path, missing: Path, empty: str) -> None:
        run()
        missing.symlink_to("/nowhere/at/all")
        with nothing_lost(target), pytest.raises(errors.SourceMissing, match="is a link to '/nowhere/at/all'"):
            run(source=missing, empty=empty)

    def test_that_is_pinned(self, run: Run, target: Path, missing: Path) -> None:
        pinned = {"target": os.fspath(missing), "snapshot": "0" * 32}
        with pytest.raises(errors.DiropsError):
            run(source=pinned, empty="skip")

    @pytest.mark.parametrize("join", ["inner", "outer", "strict"])
    @pytest.mark.parametrize("empty", ["fail", "skip"])
    def test_of_joined_sources(self, texts: Path, target: Path, missing: Path, join: str, empty: str) -> None:
        def joined(*sources: Path) -> Outcome:
            return transform_directory(
                source=list(sources), target=target, join=join, empty=empty, read=read_text, transform=max, codec="text"
            )

        if empty == "skip" and join == "inner":
            assert joined(texts, missing).reason == f"there is no folder '{missing}'"
        else:
            with pytest.raises(errors.SourceMissing, match="of-sunday"):
                joined(texts, missing)
        if empty == "skip":
            assert joined(missing, missing).outcome == "skipped"
        assert not target.exists()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("read", [nothing, none_of_them, lambda path: (path, None)])
class TestEveryInputGaveNothing:
    def test_fails(self, run: Run, target: Path, workers: int, read: Any) -> None:
        run()
        with nothing_lost(target), pytest.raises(errors.NothingMade, match=r"3 inputs in .*texts' were read") as told:
            run(read=read, workers=workers)
        assert "empty='skip'" in str(told.value)
        assert told.value.findings == ()

    def test_is_skipped(self, run: Run, target: Path, workers: int, read: Any) -> None:
        first = run()
        with nothing_lost(target):
            outcome = run(read=read, workers=workers, empty="skip")
        assert (outcome.outcome, outcome.snapshot) == ("skipped", first.snapshot)
        assert "gave None for all of them" in str(outcome.reason)

    def test_is_committed(self, run: Run, target: Path, workers: int, read: Any) -> None:
        run()
        outcome = run(read=read, workers=workers, empty="commit")
        assert (outcome.outcome, outcome.counts["entries"], outcome.counts["skipped"]) == ("committed", 0, 3)
        for empty in ("fail", "skip", "commit"):
            assert run(read=read, workers=workers, empty=empty).outcome == "unchanged"


class TestNothingOf:
    def test_a_transform(self, texts: Path, target: Path) -> None:
        with pytest.raises(errors.NothingMade, match="read_text then nothing gave None for all"):
            transform_directory(source=texts, target=target, read=read_text, transform=nothing, codec="text")

    def test_batches(self, texts: Path, target: Path) -> None:
        with pytest.raises(errors.NothingMade):
            transform_directory(
                source=texts,
                target=target,
                read=read_text,
                transform=lambda texts: [None for _ in texts],
                batch_size=2,
                codec="text",
            )

    @pytest.mark.parametrize("aggregate", [nothing, lambda records: len(list(records)) and None, none_of_them])
    def test_an_aggregate(self, texts: Path, target: Path, aggregate: Any) -> None:
        options: dict[str, Any] = {"source": texts, "target": target, "read": read_text, "codec": "text"}
        with pytest.raises(errors.NothingMade, match="3 inputs"):
            transform_directory(**options, aggregate=aggregate)
        assert transform_directory(**options, aggregate=aggregate, empty="skip").outcome == "skipped"
        assert not target.exists()

    @pytest.mark.parametrize("join", ["inner", "outer"])
    def test_a_join(self, texts: Path, target: Path, tmp_path: Path, join: str) -> None:
        other = write_texts(tmp_path / "other", a="1", b="2")
        with pytest.raises(errors.NothingMade):
            transform_directory(
                source=[texts, other], target=target, read=read_text, transform=nothing, join=join, codec="text"
            )

    def test_those_that_did_not_fail(self, run: Run) -> None:
        def read(path: str) -> None:
            if path.endswith("a.txt"):
                raise ValueError(path)

        with pytest.raises(errors.NothingMade, match=r"all that did not fail.*, and 1 failed;"):
            run(read=read, on_error="quarantine")

    def test_a_trial_run(self, run: Run) -> None:
        with pytest.raises(errors.NothingMade, match="1 inputs"):
            run(read=nothing, limit=1)


def test_upper_case_is_named_and_the_advice_works(tmp_path: Path, target: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("a.PNG", "b.Png"):
        (raw / name).write_text(name)

    def read(path: str) -> str | None:
        return Path(path).read_text() if path.endswith(".png") else None

    def mended(path: str) -> str | None:
        return Path(path).read_text() if path.lower().endswith(".png") else None

    with pytest.raises(errors.NothingMade, match=r"such as 'a.PNG' end in upper case.*path\.lower\(\)\.endswith"):
        read_directory(source=raw, target=target, read=read, codec="text")
    assert read_directory(source=raw, target=target, read=mended, codec="text").counts["entries"] == 2


def test_what_was_seen_is_seen_again(run: Run, texts: Path) -> None:
    """What gave nothing before stays seen: only a run in which nothing at all is left over is nothing."""
    run()
    write_texts(texts, d="delta")
    picky = {"read": lambda path: None if path.endswith("d.txt") else read_text(path), "version": "1"}
    run(**picky)
    assert run(**picky).outcome == "unchanged"
