"""A dry run tells what would run and why, and leaves nothing behind."""

from __future__ import annotations

import logging
import os
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, iter_plan, transform_directory
from airflow_dirops.core.disk.sorting import Sorter
from tests.core.children import as_nobody
from tests.core.conftest import Run
from tests.core.directories import header_of, state_of, write_texts
from tests.core.seed import read_text, shout


def reasons(source: Path, target: Path, **options: Any) -> dict[str, str]:
    return dict(iter_plan(source=source, target=target, **{"stage": "copy", "codec": "text", **options}))


def ill(path: str) -> str:
    if path.endswith("c.txt"):
        raise ValueError(path)
    return Path(path).read_text()


class TestFirst:
    def test_writes_nothing_at_all(self, run: Run, texts: Path, tmp_path: Path) -> None:
        before = state_of(tmp_path)
        outcome = run(dry_run=True)
        assert state_of(tmp_path) == before
        assert (outcome.outcome, outcome.snapshot, outcome.manifest) == ("planned", None, None)
        assert {name: count for name, count in outcome.counts.items() if count} == {"inputs": 3, "new": 3}

    def test_the_function_is_not_called(self, run: Run) -> None:
        assert run(read=ill, dry_run=True).counts["new"] == 3

    def test_what_cannot_run_cannot_be_planned(self, run: Run, texts: Path, target: Path) -> None:
        with pytest.raises(errors.TargetRefused, match="it is the source"):
            run(target=texts, dry_run=True)
        with pytest.raises(errors.ArgumentRefused, match="give read="):
            transform_directory(source=texts, target=target, transform=shout, dry_run=True)
        target.mkdir(parents=True)
        (target / "letter.txt").write_text("mine")
        with pytest.raises(errors.TargetRefused, match="no snapshot of ours"):
            run(dry_run=True)

    def test_an_empty_source(self, run: Run, texts: Path) -> None:
        with pytest.raises(errors.SourceEmpty, match=r"matches '\*\.png'"):
            run(pattern="*.png", dry_run=True)
        assert run(pattern="*.png", dry_run=True, empty="commit").counts["inputs"] == 0

    def test_where_nobody_may_write(self, run: Run, public: Path) -> None:
        source, target = write_texts(public / "texts", a="alpha"), public / "out" / "target"
        public.chmod(0o555)
        assert as_nobody(lambda: run(source=source, target=target, dry_run=True).counts["new"]) == "1"


class TestWithABase:
    @pytest.fixture(autouse=True)
    def first(self, run: Run, texts: Path) -> None:
        write_texts(texts, d="delta", e="epsilon")
        run(read=ill, on_error="quarantine", version="1")

    def test_every_reason(self, run: Run, texts: Path, target: Path, tmp_path: Path) -> None:
        write_texts(texts, a="ALPHA", f="new")
        (texts / "b.txt").unlink()
        (target / "d.txt").unlink()
        before = state_of(tmp_path)
        outcome = run(read=ill, version="1", dry_run=True)
        found = reasons(texts, target, read=ill, version="1")
        assert state_of(tmp_path) == before
        assert list(found.items()) == [
            ("a.txt", "changed"),
            ("b.txt", "removed"),
            ("c.txt", "retry"),
            ("d.txt", "missing"),
            ("e.txt", "carried"),
            ("f.txt", "new"),
        ]
        assert outcome.counts == {"inputs": 5, "ignored": 0, "code": 0, "redo": 0, **Counter(found.values())}
        assert (outcome.outcome, outcome.snapshot) == ("planned", header_of(target)["snapshot"])

    def test_is_what_the_run_then_does(self, run: Run, texts: Path) -> None:
        write_texts(texts, a="ALPHA", g="new")
        planned = run(version="1", dry_run=True).counts
        done = run(version="1").counts
        assert (done["computed"], done["carried"]) == (3, planned["carried"])

    def test_other_code_and_everything(self, texts: Path, target: Path) -> None:
        (texts / "b.txt").unlink()
        assert set(reasons(texts, target, read=ill, version="2").values()) == {"code", "removed"}
        assert set(reasons(texts, target, read=ill, version="1", redo="all").values()) == {"redo", "removed"}

    def test_without_a_function_code_is_not_looked_at(self, texts: Path, target: Path) -> None:
        assert Counter(reasons(texts, target, stage=None).values()) == {"carried": 4, "retry": 1}

    def test_another_stages_target(self, run: Run) -> None:
        with pytest.raises(errors.TargetRefused, match="belongs to stage 'copy'"):
            run(stage="other", dry_run=True)

    def test_is_logged_up_to_a_sensible_number(self, run: Run, texts: Path, caplog: pytest.LogCaptureFixture) -> None:
        write_texts(texts, **{f"n{number:03}": "x" for number in range(150)})
        with caplog.at_level(logging.INFO):
            run(read=ill, version="1", dry_run=True)
        lines = [record.getMessage() for record in caplog.records]
        assert lines[:2] == ["retry: c.txt", "new: n000.txt"]
        assert lines[-2].startswith("and 51 more")
        assert lines[-1].endswith(f"155 inputs in {texts}: 150 new, 1 retry, 4 carried")


class TestChains:
    def test_the_next_stage_plans_on_what_is_there(
        self, run: Run, texts: Path, target: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        run()
        write_texts(texts, d="delta")
        planned = run(dry_run=True)
        final: dict[str, Any] = {"target": tmp_path / "final", "transform": shout, "codec": "text"}
        with caplog.at_level(logging.INFO):
            outcome = transform_directory(source=planned.to_dict(), dry_run=True, **final)
        assert outcome.counts["new"] == 3
        assert "only been planned" in caplog.text
        with pytest.raises(errors.ArgumentRefused, match="run its stage first"):
            transform_directory(source=planned.to_dict(), **final)

    def test_a_source_that_was_never_made(self, run: Run, tmp_path: Path) -> None:
        planned = run(dry_run=True).to_dict()
        with pytest.raises(errors.ArgumentRefused, match="and nothing was made; run its stage first"):
            transform_directory(source=planned, target=tmp_path / "final", transform=shout, dry_run=True)


def test_memory_does_not_grow_with_the_inputs(
    run: Run, texts: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sorter.__init__, "__defaults__", (100_000,))  # or it would sort all of these in memory

    def peak() -> int:
        tracemalloc.start()
        try:
            assert sum(1 for _ in iter_plan(source=texts, target=target, read=read_text, codec="text", stage="copy"))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def add(names: range) -> None:
        for number in names:
            (texts / f"{number:06}.txt").touch()

    add(range(2_000))
    run(durability="process")
    for number in range(0, 2_000, 2):
        (texts / f"{number:06}.txt").unlink()
    before = peak()
    add(range(10_000, 18_000))
    assert peak() < before + 400_000  # a list of 8,000 would take more than 1,000,000


def test_leaves_no_temporary_files_when_given_up(
    run: Run, texts: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(texts))  # where the source is the temporary directory itself
    plan = iter_plan(source=texts, target=target, read=read_text)
    assert next(plan) == ("a.txt", "new")
    plan.close()
    assert sorted(os.listdir(texts)) == ["a.txt", "b.txt", "c.txt"]


class TestAggregates:
    @pytest.fixture
    def options(self, run: Run, target: Path, tmp_path: Path) -> dict[str, Any]:
        run()
        return {"source": target, "target": tmp_path / "all", "aggregate": join, "codec": "text"}

    def test_everything_or_nothing_runs(self, run: Run, texts: Path, options: dict[str, Any]) -> None:
        assert set(dict(iter_plan(**options)).values()) == {"new"}
        transform_directory(**options)
        assert set(dict(iter_plan(**options)).values()) == {"carried"}
        assert set(dict(iter_plan(**options, redo="all")).values()) == {"redo"}
        assert set(dict(iter_plan(**options, version="2")).values()) == {"code"}
        write_texts(texts, b="BETA")
        run()
        outcome = transform_directory(**options, dry_run=True)
        assert (outcome.counts["changed"], outcome.counts["carried"]) == (3, 0)
        assert transform_directory(**options).outcome == "committed"


def join(records: Any) -> str:
    return "".join(record.value for record in records)
