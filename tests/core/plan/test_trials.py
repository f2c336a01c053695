"""A trial run over the first few inputs is never taken for the whole; a refactoring is taken over without a rerun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from airflow_dirops.cli.main import app
from airflow_dirops.core import Outcome, errors, read_manifest, transform_directory, upkeep
from tests.core.conftest import Run
from tests.core.directories import assert_whole, header_of, nothing_lost, values_of, write_texts
from tests.core.seed import read_text, shout


def did(outcome: Outcome) -> tuple[str, int, int]:
    return outcome.outcome, outcome.counts["computed"], outcome.counts["carried"]


class TestLimit:
    def test_takes_the_first_inputs_in_the_order_of_their_keys(self, run: Run, texts: Path, target: Path) -> None:
        write_texts(texts, A="first")
        outcome = run(limit=2)
        assert list(values_of(target)) == ["A", "a"]
        assert (outcome.limit, outcome.to_dict()["limit"], header_of(target)["limit"]) == (2, 2, 2)
        assert outcome.counts["inputs"] == 2
        assert_whole(target)

    def test_the_rest_comes_with_a_run_without_it(self, run: Run, target: Path) -> None:
        run(limit=2)
        assert did(run(limit=2)) == ("unchanged", 0, 0)
        outcome = run()
        assert did(outcome) == ("committed", 1, 2)
        assert outcome.limit is None
        assert "limit" not in header_of(target)
        assert did(run()) == ("unchanged", 0, 0)
        assert_whole(target)

    def test_a_trial_over_everything_is_a_trial_all_the_same(self, run: Run, target: Path) -> None:
        assert run(limit=9).limit == header_of(target)["limit"] == 9
        assert did(run()) == ("committed", 0, 3)
        assert "limit" not in header_of(target)

    def test_another_limit(self, run: Run, target: Path) -> None:
        run(limit=1)
        assert did(run(limit=2)) == ("committed", 1, 1)
        assert did(run(limit=1)) == ("committed", 0, 1)
        assert list(values_of(target)) == ["a"]

    def test_never_replaces_a_snapshot_of_all_inputs(self, run: Run, target: Path) -> None:
        run()
        for options in ({}, {"may_replace": {"other_stage"}, "stage": "other"}, {"redo": "all"}, {"dry_run": True}):
            with nothing_lost(target), pytest.raises(errors.TargetRefused, match="or leave limit out"):
                run(limit=2, **options)

    @pytest.mark.parametrize("on_conflict", ["fail", "newest", "last"])
    def test_nor_one_that_was_committed_meanwhile(self, run: Run, target: Path, on_conflict: str) -> None:
        def read(path: str) -> str:
            if not target.exists():
                run()
            return "trial"

        with pytest.raises(errors.TargetConflict):
            run(read=read, limit=2, on_conflict=on_conflict)
        assert values_of(target)["a"] == "alpha"

    def test_is_read_by_trials_only(self, run: Run, target: Path, tmp_path: Path) -> None:
        final: dict[str, Any] = {"transform": shout, "target": tmp_path / "final", "codec": "text"}
        pinned = run(limit=2).to_dict()
        for source in (target, pinned):
            with pytest.raises(errors.ArgumentRefused, match="trial run over the first 2 inputs"):
                transform_directory(source=source, **final)
            transform_directory(source=source, **final, limit=5)
        assert list(values_of(tmp_path / "final")) == ["a", "b"]
        run()
        assert did(transform_directory(source=target, **final)) == ("committed", 1, 2)

    def test_an_aggregate_over_all_follows_one_over_a_few(self, run: Run, target: Path, tmp_path: Path) -> None:
        run()
        options: dict[str, Any] = {"source": target, "target": tmp_path / "all", "aggregate": join, "codec": "text"}
        assert transform_directory(**options, limit=3).limit == 3
        assert transform_directory(**options).limit is None
        assert transform_directory(**options).outcome == "unchanged"

    def test_a_rollback_passes_over_trials(self, run: Run, texts: Path, target: Path) -> None:
        trial = run(limit=1).snapshot
        first = run().snapshot
        with pytest.raises(errors.SnapshotExpired, match=str(trial)):
            upkeep.rollback(target)
        write_texts(texts, d="delta")
        run()
        assert upkeep.rollback(target).restored == first
        assert upkeep.rollback(target, trial).limit == 1

    def test_the_command_shows_it(self, run: Run, target: Path) -> None:
        run(limit=2)
        assert "2: a trial run" in CliRunner().invoke(app, ["show", str(target)]).output
        run()
        assert "trial" not in CliRunner().invoke(app, ["show", str(target)]).output
        rows = json.loads(CliRunner().invoke(app, ["log", str(target), "--json"]).output)
        assert [row["limit"] for row in rows] == [None, 2]

    @pytest.mark.parametrize("limit", [0, -1, True, "5", 2.0])
    def test_one_that_is_none(self, run: Run, limit: Any) -> None:
        with pytest.raises(errors.ArgumentRefused, match="limit="):
            run(limit=limit)


class TestAcceptedCode:
    def test_is_taken_over_without_a_rerun(self, run: Run, target: Path) -> None:
        first = run()
        before = header_of(target)["function"]["fingerprint"]
        outcome = run(read=refactored, accept_code_change=True)
        assert did(outcome) == ("committed", 0, 3)
        assert outcome.snapshot != first.snapshot
        assert header_of(target)["function"]["fingerprint"] != before
        assert_whole(target)
        assert did(run(read=refactored)) == ("unchanged", 0, 0)
        assert did(run()) == ("committed", 3, 0)

    def test_with_the_same_code_nothing_happens(self, run: Run) -> None:
        run()
        assert did(run(accept_code_change=True)) == ("unchanged", 0, 0)

    def test_what_is_new_is_computed(self, run: Run, texts: Path, target: Path) -> None:
        run()
        write_texts(texts, b="changed", d="delta")
        assert did(run(read=refactored, accept_code_change=True)) == ("committed", 2, 2)
        assert values_of(target)["d"] == "delta"

    def test_without_a_base_everything_runs(self, run: Run) -> None:
        assert did(run(accept_code_change=True)) == ("committed", 3, 0)

    def test_failed_inputs_are_tried_with_the_new_code(self, run: Run, target: Path) -> None:
        run(read=ill, on_error="quarantine")
        assert did(run(read=refactored, accept_code_change=True, on_error="quarantine")) == ("committed", 1, 2)

    def test_and_if_they_fail_again_the_code_is_taken_over_all_the_same(self, run: Run, target: Path) -> None:
        first = run(read=ill, on_error="quarantine", version="1")
        outcome = run(read=ill, on_error="quarantine", version="2", accept_code_change=True)
        assert (outcome.outcome, outcome.counts["quarantined"]) == ("committed", 1)
        assert outcome.snapshot != first.snapshot
        assert run(read=ill, on_error="quarantine", version="2").outcome == "unchanged"

    def test_files_of_another_codec_are_not_kept(self, run: Run, target: Path) -> None:
        run()
        with nothing_lost(target), pytest.raises(errors.ArgumentRefused, match="written with codec 'text'"):
            run(codec="json", accept_code_change=True)

    def test_an_aggregate_has_nothing_to_keep(self, run: Run, target: Path, tmp_path: Path) -> None:
        run()
        with pytest.raises(errors.ArgumentRefused) as refused:
            transform_directory(source=target, target=tmp_path / "all", aggregate=join, accept_code_change=True)
        (finding,) = refused.value.findings  # told once
        assert "accept_code_change= has nothing to keep" in finding

    def test_everything_is_redone_where_that_is_asked_for(self, run: Run) -> None:
        run()
        assert did(run(read=refactored, accept_code_change=True, redo="all")) == ("committed", 3, 0)


def test_a_header_without_a_limit_is_as_it_was(run: Run, target: Path) -> None:
    run()
    assert read_manifest(target).limit is None
    assert set(header_of(target)) >= {"snapshot", "base", "partition"}


def refactored(path: str) -> str | None:
    return read_text(path)


def ill(path: str) -> str:
    if path.endswith("c.txt"):
        raise ValueError(path)
    return Path(path).read_text()


def join(records: Any) -> str:
    return "".join(record.value for record in records)
