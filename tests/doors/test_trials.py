"""Dry runs, asked for in the trigger form, and trial runs over a few files: nobody takes them for the real thing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, task

from airflow_dirops import DirectoryReadOperator, ManifestSensor, StagedTransformOperator, dirops_params
from airflow_dirops.core import read_manifest
from airflow_dirops.triggers.conditions import Conditions
from tests.core.directories import state_of
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write


def upper(**fields: Any) -> DirectoryReadOperator:
    return DirectoryReadOperator(
        **{"task_id": "upper", "source": "raw", "target": "interim", "read": read_text, "codec": "text", **fields}
    )


def twice(source: Any, **fields: Any) -> StagedTransformOperator:
    return StagedTransformOperator(
        **{
            "task_id": "twice",
            "source": source,
            "target": "final",
            "transform": lambda text: text * 2,
            "codec": "text",
            **fields,
        }
    )


class TestDryRun:
    @pytest.fixture
    def chain(self, root: Path) -> DAG:
        write(root / "raw", one="a", two="b")
        with DAG("planned", schedule=None, params=dirops_params()) as dag:
            second = twice(upper(outlets=[Asset("upper")]).output, outlets=[Asset("twice")])
            second >> twice("final", task_id="again", target="last")
        return dag

    def test_where_nothing_was_made_yet(self, runs: Runs, root: Path, chain: DAG) -> None:
        before = state_of(root)
        run = runs(chain, conf={"dry_run": True})
        assert state_of(root) == before
        assert [run.state(name) for name in ("upper", "twice", "again")] == ["success", "skipped", "skipped"]
        output = run.output("upper")
        assert (output["outcome"], output["snapshot"], output["counts"]["new"]) == ("planned", None, 2)
        assert run.events("upper") == run.events("twice") == []

    def test_every_stage_plans_on_what_is_there(
        self, runs: Runs, root: Path, chain: DAG, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = runs(chain)
        made = [first.output(name)["snapshot"] for name in ("upper", "twice", "again")]
        write(root / "raw", three="c")
        before = state_of(root)
        with caplog.at_level(logging.INFO, "airflow_dirops"):
            run = runs(chain, conf={"dry_run": True})
        assert state_of(root) == before
        outcomes = [run.output(name) for name in ("upper", "twice", "again")]
        assert [each["outcome"] for each in outcomes] == ["planned"] * 3
        assert [each["snapshot"] for each in outcomes] == made
        assert [(each["counts"]["new"], each["counts"]["carried"]) for each in outcomes] == [(1, 2), (0, 2), (0, 2)]
        assert run.events("upper") == run.events("twice") == []
        assert "new: three.txt" in caplog.text

    def test_a_source_that_is_not_there_fails_the_first_stage(self, runs: Runs, root: Path) -> None:
        with DAG("astray", schedule=None, params=dirops_params()) as dag:
            upper(source="nowhere")
        assert runs(dag, conf={"dry_run": True}).state("upper") == "failed"

    def test_a_stage_made_from_a_function(self, runs: Runs, root: Path) -> None:
        write(root / "raw", one="a")
        with DAG("decorated", schedule=None, params=dirops_params()) as dag:

            @task.directory_read(source="raw", target="interim", codec="text")
            def copy(path: str) -> str:
                return read_text(path)

            copy()
        assert runs(dag, conf={"dry_run": True}).output("copy")["outcome"] == "planned"
        assert not (root / "interim").exists()


class TestLimit:
    def test_makes_a_trial_that_nobody_is_told_of(self, runs: Runs, root: Path) -> None:
        write(root / "raw", one="a", two="b", zero="c")
        with DAG("trial", schedule=None) as dag:
            twice(upper(limit=2, outlets=[Asset("upper")]).output, limit=1)
        run = runs(dag)
        assert (run.output("upper")["outcome"], run.output("upper")["limit"]) == ("committed", 2)
        assert run.events("upper") == []
        assert values(root / "interim") == {"one": "a", "two": "b"}
        assert values(root / "final") == {"one": "aa"}

    def test_no_stage_without_one_reads_it(self, runs: Runs, root: Path) -> None:
        write(root / "raw", one="a", two="b")
        with DAG("refused", schedule=None) as dag:
            twice(upper(limit=1).output, retries=2)
        run = runs(dag)
        assert (run.state("twice"), run.task("twice").try_number) == ("failed", 1)

    def test_a_sensor_goes_on_waiting(self, runs: Runs, root: Path) -> None:
        write(root / "raw", one="a", two="b")
        with DAG("waiting", schedule=None) as dag:
            upper(limit=1) >> ManifestSensor(task_id="wait", target="interim", timeout=0, soft_fail=True)
        assert runs(dag).state("wait") == "skipped"
        lacking = Conditions(target=str(root / "interim")).look().lacking
        assert lacking == "its snapshot is of a trial run over the first 1 inputs"
        with DAG("done", schedule=None) as dag:
            upper(stage="waiting.upper") >> ManifestSensor(task_id="wait", target="interim", timeout=0)
        assert "limit" not in runs(dag).output("wait")


def test_a_refactoring_is_taken_over(runs: Runs, root: Path) -> None:
    write(root / "raw", one="a")
    computed = []
    for version, accept in (("1", False), ("2", True), ("2", False)):
        with DAG("refactored", schedule=None) as dag:
            upper(version=version, accept_code_change=accept)
        output = runs(dag).output("upper")
        computed.append((output["outcome"], output["counts"]["computed"]))
    assert computed == [("committed", 1), ("committed", 0), ("unchanged", 0)]
    assert read_manifest(root / "interim").stage == "refactored.upper"


def test_a_task_says_what_has_changed(runs: Runs, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(root / "raw", one="a")
    for version, told in (("1", []), ("2", ["version 1 -> 2"]), ("2", [])):
        with DAG("edited", schedule=None) as dag:
            upper(version=version)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            assert runs(dag).output("upper")["code_changes"] == told
        assert ("1 code: version 1 -> 2. If that makes no difference" in caplog.text) is bool(told)
