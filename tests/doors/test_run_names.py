"""What the list of runs and the grid say of a run: its partition, and whether it was a dry run."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.session import create_session

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator, daily_partitions, dirops_params
from airflow_dirops.calendar.form import DRY_RUN
from airflow_dirops.runtime.run_names import on_dag_run_running, on_dag_run_success
from tests.doors.airflow_runs import Run, Runs
from tests.text_files import read_text, write

DAYS = ["2026-11-01", "2026-11-02"]


def started(schedule: Any, params: Any = None, **run: Any) -> Any:
    """A run after the scheduler has started it."""
    dag = DAG("named", schedule=schedule, params=dirops_params() if params is None else params)
    facts = {
        "dag": DagSerialization.from_dict(DagSerialization.to_dict(dag)),
        "run_type": "manual",
        "run_after": pendulum.datetime(2026, 11, 2, 12),
        "logical_date": None,
        "partition_key": None,
        "partition_date": None,
        "conf": {},
        "note": None,
    }
    dag_run = SimpleNamespace(**{**facts, **run})
    on_dag_run_running(dag_run)  # type: ignore[arg-type]
    return dag_run


DAILY = daily_partitions("0 2 * * *")


@pytest.mark.parametrize(
    ("run", "key"),
    [
        pytest.param({}, "2026-11-01", id="nothing filled in"),
        pytest.param({"conf": None}, "2026-11-01", id="no form"),
        pytest.param({"conf": {"partition": "2026-10-07"}}, "2026-10-07", id="the form"),
        pytest.param({"partition_key": "2026-10-08"}, "2026-10-08", id="Advanced Options"),
        pytest.param({"conf": {"partition": "../etc"}}, None, id="what cannot be one"),
        pytest.param({"run_type": "scheduled"}, None, id="not by hand"),
        pytest.param({"logical_date": pendulum.datetime(2026, 10, 1)}, None, id="a logical date"),
    ],
)
def test_a_run_by_hand_has_the_partition_that_its_stages_work_on(run: dict[str, Any], key: str | None) -> None:
    dag_run = started(DAILY, **run)
    assert dag_run.partition_key == key
    if key and "partition_key" not in run:
        assert dag_run.partition_date == pendulum.parse(key)


def test_a_date_from_the_form_becomes_a_folder_as_the_schedule_names_it() -> None:
    nested = daily_partitions("0 2 * * *", partition_format="%Y/%m/%d")
    assert started(nested, conf={"partition": "2026-10-07"}).partition_key == "2026/10/07"


def test_where_airflow_takes_no_key_a_note_says_what_the_form_named() -> None:
    dag_run = started("0 2 * * *", conf={"partition": "2026-10-07"})
    assert (dag_run.partition_key, dag_run.note) == (None, "Partition 2026-10-07")


def test_a_dry_run_is_noted_but_no_note_of_a_person_is_lost() -> None:
    assert started(DAILY, conf={"dry_run": True}).note == DRY_RUN
    assert started(DAILY, conf={"dry_run": True}, note="trying").note == "trying"
    assert started(DAILY).note is None


def ended(dag: DAG, run: Run) -> None:
    """Do as the scheduler does when a run has ended."""
    with create_session() as session:
        dag_run = session.merge(run.dag_run)
        dag_run.dag = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        on_dag_run_success(dag_run)


@pytest.mark.parametrize(("dry", "states"), [(True, ["skipped", "skipped", "success"]), (False, ["success"] * 3)])
def test_the_grid_shows_the_stages_of_a_dry_run_as_skipped_and_what_did_run_as_it_was(
    runs: Runs, root: Path, dry: bool, states: list[str]
) -> None:
    for day in DAYS:
        write(root / "raw" / day, one="a")
    with DAG("shown", schedule=None, params=dirops_params()) as dag:
        fields = stage(map_index_template="mine")
        made = DirectoryReadOperator.partial(task_id="r", **fields).expand(partition=DAYS)

        @task
        def tell() -> None:
            """What a dry run does not keep from running."""

        made >> tell()
    run = runs(dag, conf={"dry_run": dry})
    ended(dag, run)
    assert [run.state("r", 0), run.state("r", 1), run.state("tell")] == states


def test_params_of_that_name_that_are_somebody_elses_mean_nothing() -> None:
    assert started("0 2 * * *", params={"partition": "x", "dry_run": False}, conf={"dry_run": True}).note is None
    assert (
        started(
            DAILY, params=dirops_params() | {"limit": 5, "dry_run": False}, conf={"limit": 20, "dry_run": True}
        ).note
        is None
    )


def test_a_trial_is_noted() -> None:
    assert started(DAILY, conf={"limit": 20}).note == "Trial run over the first 20 inputs"
    assert started(DAILY, conf={"limit": 20, "dry_run": True}).note == f"Trial run over the first 20 inputs. {DRY_RUN}"


def stage(**fields: Any) -> Any:
    return {"source": "raw/{partition}", "target": "out/{partition}", "read": read_text, "codec": "text", **fields}


def test_an_instance_of_a_mapped_stage_is_called_by_its_partition(runs: Runs, root: Path) -> None:
    for day in DAYS:
        write(root / "raw" / day, one=day)
    with DAG("mapped", schedule=None, params=dirops_params()) as dag:
        DirectoryReadOperator.partial(task_id="r", **stage()).expand(partition=DAYS)
    run = runs(dag)
    assert [run.task("r", index).rendered_map_index for index in (0, 1)] == DAYS
    run = runs(dag, conf={"dry_run": True})
    assert run.task("r", 0).rendered_map_index == f"{DAYS[0]} (dry run)"


def test_a_label_of_ones_own_stays(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAYS[0], one="a")
    with DAG("own", schedule=None) as dag:
        fields = stage(map_index_template="mine")
        DirectoryReadOperator.partial(task_id="r", **fields).expand(partition=DAYS[:1])
        DirectoryReadOperator(task_id="s", **fields, partition=DAYS[0], stage="own.r")
    run = runs(dag)
    assert (run.task("r", 0).rendered_map_index, run.task("s").rendered_map_index) == ("mine", "mine")


def test_the_log_of_a_dry_run_ends_with_what_it_was(
    runs: Runs, root: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    write(root / "raw" / DAYS[0], one="a")
    with DAG("dry", schedule=None, params=dirops_params()) as dag:
        DirectoryReadOperator(task_id="r", **stage(partition=DAYS[0]))
    with caplog.at_level(logging.INFO):
        run = runs(dag, conf={"dry_run": True})
    assert run.output("r")["outcome"] == "planned"
    assert run.task("r").rendered_map_index == f"{DAYS[0]} (dry run)"
    assert f"{DRY_RUN}." in caplog.text + capfd.readouterr().out


@pytest.mark.parametrize(
    ("form", "state"),
    [
        ({}, "failed"),
        ({"on_error": "quarantine"}, "success"),
        ({"on_error": "quarantine", "max_failures": "1"}, "success"),
        ({"on_error": "quarantine", "max_failures": "50%"}, "success"),
        ({"on_error": "quarantine", "max_failures": "0"}, "failed"),
        ({"on_error": "quarantine", "max_failures": ""}, "success"),
        ({"max_failures": "1"}, "failed"),
    ],
    ids=str,
)
def test_the_form_says_how_many_may_fail(runs: Runs, root: Path, form: dict[str, str], state: str) -> None:
    def read(path: str) -> str:
        if "bad" in path:
            raise ValueError("unreadable")
        return read_text(path)

    write(root / "raw", good="a", bad="b")
    with DAG("failing", schedule=None, params=dirops_params()) as dag:
        DirectoryReadOperator(task_id="r", source="raw", target="out", read=read, codec="text")
    assert runs(dag, conf=form).state("r") == state


def test_the_forms_number_is_for_the_stages_that_set_files_aside(runs: Runs, root: Path) -> None:
    def read(path: str) -> str:
        if "bad" in path:
            raise ValueError("unreadable")
        return read_text(path)

    write(root / "raw", good="a", bad="b")
    for form, states in (
        ({"max_failures": "1"}, ["success", "success"]),
        ({"max_failures": "1", "on_error": "fail"}, ["failed", "upstream_failed"]),
    ):
        with DAG("chain", schedule=None, params=dirops_params()) as dag:
            first = DirectoryReadOperator(
                task_id="r", source="raw", target="out", read=read, codec="text", on_error="quarantine", max_failures=0
            )
            StagedTransformOperator(
                task_id="t", source=first.output, target="next", transform=lambda text: text, codec="text"
            )
        run = runs(dag, conf=form)
        assert [run.state(task) for task in ("r", "t")] == states


def test_the_form_may_be_stricter_than_the_dag(runs: Runs, root: Path) -> None:
    def read(path: str) -> str:
        if "bad" in path:
            raise ValueError("unreadable")
        return read_text(path)

    write(root / "raw", bad="b", good="a")
    states = []
    for form in ({"on_error": "fail"}, {"max_failures": "0"}, {}):
        with DAG("strict", schedule=None, params=dirops_params()) as dag:  # dag.test() leaves its values in the params
            DirectoryReadOperator(
                task_id="r", source="raw", target="out", read=read, codec="text", on_error="quarantine", max_failures=5
            )
        states.append(runs(dag, conf=form).state("r"))
    assert states == ["failed", "failed", "success"]
