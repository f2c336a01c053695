"""Dry runs, asked for in the trigger form, and trial runs over a few files: nobody takes them for the real thing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, task

from airflow_dirops import DirectoryReadOperator, ManifestSensor, StagedTransformOperator, dirops_params
from airflow_dirops.core import read_manifest
from airflow_dirops.core.errors import ArgumentRefused
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


ALL: dict[str, Any] = {"limit": None}  # said, since a DAG that is tested twice keeps the params of its first run


class TestLimit:
    def test_makes_a_trial_that_nobody_is_told_of(self, runs: Runs, root: Path) -> None:
        write(root / "raw", one="a", two="b", zero="c")
        with DAG("trial", schedule=None, params=dirops_params()) as dag:
            twice(upper(outlets=[Asset("upper")]).output)
        run = runs(dag, conf={"limit": 2})
        assert (run.output("upper")["outcome"], run.output("upper")["limit"]) == ("committed", 2)
        assert run.events("upper") == []
        assert run.task("upper").rendered_map_index == "(trial)"
        assert values(root / "interim") == {"one": "a", "two": "b"}
        assert values(root / "final") == {"one": "aa", "two": "bb"}
        runs(dag, conf=ALL)
        assert values(root / "final") == {"one": "aa", "two": "bb", "zero": "cc"}

    def test_never_replaces_the_whole(self, runs: Runs, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
        write(root / "raw", one="a", two="b")
        with DAG("whole", schedule=None, params=dirops_params()) as dag:
            upper()
        runs(dag)
        assert runs(dag, conf={"limit": 1}).state("upper") == "failed"
        title = dirops_params()["limit"].schema["title"]
        assert f"or leave limit out, {title!r} in the trigger form" in capfd.readouterr().out
        assert runs(dag, conf=ALL).state("upper") == "success"
        assert values(root / "interim") == {"one": "a", "two": "b"}

    def test_no_stage_without_one_reads_it(self, runs: Runs, root: Path) -> None:
        write(root / "raw", one="a", two="b")
        with DAG("trial", schedule=None, params=dirops_params()) as dag:
            upper()
        runs(dag, conf={"limit": 1})
        with DAG("refused", schedule=None, params=dirops_params()) as other:
            twice("interim", retries=2)
        run = runs(other)
        assert (run.state("twice"), run.task("twice").try_number) == ("failed", 1)
        assert runs(other, conf={"limit": 1}).state("twice") == "success"
        runs(dag, conf=ALL)
        assert runs(other, conf=ALL).state("twice") == "success"
        assert values(root / "final") == {"one": "aa", "two": "bb"}

    def test_a_sensor_goes_on_waiting(self, runs: Runs, root: Path) -> None:
        write(root / "raw", one="a", two="b")
        with DAG("waiting", schedule=None, params=dirops_params()) as dag:
            upper() >> ManifestSensor(task_id="wait", target="interim", timeout=0, soft_fail=True)
        assert runs(dag, conf={"limit": 1}).state("wait") == "skipped"
        lacking = Conditions(target=str(root / "interim")).look().lacking
        assert lacking == "its snapshot is of a trial run over the first 1 inputs"
        with DAG("done", schedule=None) as dag:
            upper(stage="waiting.upper") >> ManifestSensor(task_id="wait", target="interim", timeout=0)
        assert "limit" not in runs(dag).output("wait")


def test_a_refactoring_is_taken_over_as_the_log_says(runs: Runs, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(root / "raw", one="a")
    title = dirops_params()["accept_code_change"].schema["title"]
    computed = []
    for version, form in (
        ("1", {}),
        ("2", {"dry_run": True}),
        ("2", {"accept_code_change": True}),
        ("2", {}),
    ):
        with DAG("refactored", schedule=None, params=dirops_params()) as dag:
            texts = upper(version=version)
            twice(texts.output, transform=None, aggregate=joined, version=version)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            run = runs(dag, conf=form)
        assert (f"tick {title!r} in the trigger form" in caplog.text) is ("dry_run" in form)
        assert run.state("twice") in ("success", "skipped")  # all together are made anew, whatever the form says
        output = run.output("upper")
        computed.append((output["outcome"], output["counts"].get("computed")))
    assert computed == [("committed", 1), ("planned", None), ("committed", 0), ("unchanged", 0)]
    assert read_manifest(root / "interim").stage == "refactored.upper"
    assert run.output("twice")["outcome"] == "unchanged"


def joined(records: Any) -> str:
    return " ".join(record.value for record in records)


def takes_params(path: str, *, params: dict[str, Any]) -> str:
    return read_text(path) + "".join(sorted(params))


OWN = {"limit": 1, "accept_code_change": True, "dry_run": True, "redo": "all", "on_error": "quarantine"}


@pytest.mark.parametrize("through", ["the DAG", "the form", "nothing that is declared"])
def test_an_authors_own_params_are_no_acts_of_ours(runs: Runs, root: Path, through: str) -> None:
    write(root / "raw", one="a", two="b")
    with DAG("own", schedule=None, params={} if through.startswith("nothing") else OWN) as dag:
        upper(read=takes_params)
    output = runs(dag, conf=None if through == "the DAG" else OWN).output("upper")
    assert (output["outcome"], output["limit"]) == ("committed", None)
    assert values(root / "interim") == {
        name: text + "".join(sorted(OWN)) for name, text in (("one", "a"), ("two", "b"))
    }


@pytest.mark.parametrize("argument", ["limit", "accept_code_change", "dry_run"])
def test_what_is_for_one_run_is_no_argument(argument: str) -> None:
    title = dirops_params()[argument].schema["title"]
    refusal = pytest.raises(
        ArgumentRefused, match=f"(^|: ){argument}= is for one run.* fill in '{title}' in the trigger form"
    )
    for make in (upper, lambda **fields: twice("raw", **fields)):
        with refusal:
            make(**{argument: 1})
    with refusal:
        DirectoryReadOperator.partial(task_id="mapped", target="interim", read=read_text, **{argument: 1})
    with DAG("decorated", schedule=None), refusal:
        task.directory_read(source="raw", target="interim", **{argument: 1})(read_text)()


def test_an_operator_derived_from_ours_may_have_an_argument_of_that_name() -> None:
    class Limited(DirectoryReadOperator):
        def __init__(self, *, limit: int, **fields: Any) -> None:
            self.limit = limit
            super().__init__(**fields)

    fields: dict[str, Any] = {"task_id": "limited", "limit": 3, "target": "interim", "read": read_text}
    assert Limited(source="raw", **fields).limit == 3
    assert Limited.partial(**fields).kwargs["limit"] == 3


def test_a_task_says_what_has_changed(runs: Runs, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(root / "raw", one="a")
    for version, told in (("1", []), ("2", ["version 1 -> 2"]), ("2", [])):
        with DAG("edited", schedule=None) as dag:
            upper(version=version)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            assert runs(dag).output("upper")["code_changes"] == told
        assert ("1 code: version 1 -> 2. If that makes no difference" in caplog.text) is bool(told)
