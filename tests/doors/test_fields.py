"""What Airflow's rendering makes of the operators' fields: the paths as the UI shows them, or a clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, ManifestSensor, StagedTransformOperator
from airflow_dirops.core.errors import ArgumentRefused

READ = {"read": bytes}


def rendered(operator: Any, **context: Any) -> Any:
    """The operator as a task process has it before it executes."""
    base = {"dag": operator.dag, "params": {}, "partition_key": None, "logical_date": None}
    operator.render_template_fields({**base, **context})
    return operator


@pytest.fixture
def dag() -> DAG:
    return DAG("images", schedule=None, start_date=pendulum.datetime(2026, 1, 1))


@pytest.fixture
def native_dag() -> DAG:
    return DAG("native", schedule=None, render_template_as_native_obj=True)


def test_a_partition_is_filled_in_below_the_root(dag: DAG, root: Path) -> None:
    stage = DirectoryReadOperator(
        task_id="read", dag=dag, source="raw/{partition}", target="interim/{partition}", **READ
    )
    rendered(stage, partition_key="2026-11-01")
    assert stage.source == f"{root}/raw/2026-11-01"
    assert stage.target == f"{root}/interim/2026-11-01"
    assert stage.partition == "2026-11-01"


def test_an_operators_own_partition_goes_before_the_runs(dag: DAG, root: Path) -> None:
    stage = DirectoryReadOperator(
        task_id="read",
        dag=dag,
        source="raw/{partition}",
        target="interim/{partition}",
        partition="{{ macros.ds_add(partition_key, -1) }}",
        **READ,
    )
    from airflow.sdk.execution_time import macros

    rendered(stage, partition_key="2026-11-01", macros=macros)
    assert stage.target == f"{root}/interim/2026-10-31"


def test_jinja_works_beside_the_placeholder(dag: DAG, root: Path) -> None:
    stage = StagedTransformOperator(
        task_id="t",
        dag=dag,
        source="{{ params.area }}/{partition}",
        target="final/{{ params.area }}/{partition}",
        transform=abs,
    )
    rendered(stage, partition_key="2026-11-01", params={"area": "north"})
    assert (stage.source, stage.target) == (f"{root}/north/2026-11-01", f"{root}/final/north/2026-11-01")


def test_a_stage_without_placeholder_needs_no_partition(dag: DAG, root: Path) -> None:
    stage = rendered(DirectoryReadOperator(task_id="read", dag=dag, source="raw", target="interim", **READ))
    assert (stage.source, stage.target, stage.partition) == (f"{root}/raw", f"{root}/interim", None)


def test_absolute_paths_and_path_objects_stay_what_they_are(dag: DAG) -> None:
    stage = DirectoryReadOperator(
        task_id="read", dag=dag, source=Path("/raw/{partition}"), target="/interim/{partition}", **READ
    )
    rendered(stage, partition_key="2026-11-01")
    assert (stage.source, stage.target) == ("/raw/2026-11-01", "/interim/2026-11-01")


def test_a_sensor_has_the_same_fields(dag: DAG, root: Path) -> None:
    wait = ManifestSensor(task_id="wait", dag=dag, target="interim/{partition}")
    assert rendered(wait, partition_key="2026-11-01").target == f"{root}/interim/2026-11-01"


@pytest.mark.parametrize(
    ("source", "params"),
    [
        pytest.param("{{ params.x }}", {"x": ""}, id="empty"),
        pytest.param("{{ params.x }}", {"x": "  "}, id="blank"),
        pytest.param("{{ params.x }}", {"x": None}, id="None"),
        pytest.param("", {}, id="empty in the DAG"),
        pytest.param("/raw/{{ params.x }}", {"x": ""}, id="empty last part"),
        pytest.param("/raw/{{ params.x }}/", {"x": ""}, id="empty last part and slash"),
        pytest.param("/raw/{{ params.x }}/images", {"x": None}, id="None in the middle"),
    ],
)
def test_a_template_that_renders_to_nothing_never_means_everything(
    dag: DAG, source: str, params: dict[str, Any]
) -> None:
    stage = DirectoryReadOperator(task_id="read", dag=dag, source=source, target="/interim", **READ)
    with pytest.raises(ArgumentRefused) as raised:
        rendered(stage, params=params)
    assert f"source={source!r}" in str(raised.value)


@pytest.mark.parametrize("field", ["source", "target", "partition", "pattern", "stage"])
def test_no_field_may_render_to_none_where_templates_keep_types(native_dag: DAG, field: str) -> None:
    fields: dict[str, Any] = {"source": "/raw", "target": "/interim", field: "{{ params.x }}"}
    stage = DirectoryReadOperator(task_id="read", dag=native_dag, **fields, **READ)
    with pytest.raises(ArgumentRefused, match=field):
        rendered(stage, params={"x": None})


def test_a_trailing_slash_of_the_dag_is_no_missing_part(dag: DAG) -> None:
    stage = DirectoryReadOperator(task_id="read", dag=dag, source="{{ params.x }}/", target="/interim//now/", **READ)
    assert rendered(stage, params={"x": "/raw"}).source == "/raw/"


def test_a_relative_path_without_root_says_what_it_would_have_meant(
    dag: DAG, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    stage = DirectoryReadOperator(task_id="read", dag=dag, source="raw", target="/interim", **READ)
    with pytest.raises(ArgumentRefused, match=rf"source='raw'.*'{tmp_path}/raw'.*AIRFLOW__DIROPS__ROOT"):
        rendered(stage)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("source", "../elsewhere", "leads out of the root"),
        ("target", "a/../../elsewhere", "leads out of the root"),
        ("target", "s3://bucket/final", "URL"),
        ("source", Path("raw/{{ ds }}"), "not rendered"),
        ("source", 7, "int"),
        ("source", ["raw", "more"], "2 directories"),
        ("source", {"path": "raw"}, "target and snapshot"),
        ("target", {"target": "raw", "snapshot": "1"}, "not a path"),
    ],
)
def test_what_cannot_be_a_directory_is_refused(dag: DAG, root: Path, field: str, value: Any, says: str) -> None:
    fields = {"source": "raw", "target": "interim", field: value}
    stage = DirectoryReadOperator(task_id="read", dag=dag, **fields, **READ)
    with pytest.raises(ArgumentRefused, match=says):
        rendered(stage)


def test_a_relative_root_is_refused(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", "data")
    with pytest.raises(ArgumentRefused, match="root='data'"):
        rendered(DirectoryReadOperator(task_id="read", dag=dag, source="raw", target="interim", **READ))


def test_a_partition_of_the_source_must_be_in_the_target(dag: DAG, root: Path) -> None:
    stage = DirectoryReadOperator(task_id="read", dag=dag, source="raw/{partition}", target="interim", **READ)
    with pytest.raises(ArgumentRefused, match="replace the one before"):
        rendered(stage, partition_key="2026-11-01")


UPSTREAM = {"target": "/interim/2026-11-01", "snapshot": "s1", "partition": "2026-11-01"}


def test_an_upstreams_output_pins_its_snapshot(dag: DAG, root: Path) -> None:
    stage = StagedTransformOperator(task_id="t", dag=dag, source=UPSTREAM, target="final/{partition}", transform=abs)
    assert rendered(stage, partition_key="2026-11-01").source == UPSTREAM


def test_an_upstreams_partition_must_be_the_runs(dag: DAG, root: Path) -> None:
    stage = StagedTransformOperator(task_id="t", dag=dag, source=UPSTREAM, target="final/{partition}", transform=abs)
    with pytest.raises(ArgumentRefused, match=r"'2026-11-01'.*'2026-11-02'"):
        rendered(stage, partition_key="2026-11-02")


def test_an_upstreams_partition_must_be_in_the_target(dag: DAG, root: Path) -> None:
    stage = StagedTransformOperator(task_id="t", dag=dag, source=UPSTREAM, target="final", transform=abs)
    with pytest.raises(ArgumentRefused, match="replace the one before"):
        rendered(stage, partition_key="2026-11-01")


def test_taking_an_upstreams_output_makes_it_an_upstream(dag: DAG) -> None:
    read = DirectoryReadOperator(task_id="read", dag=dag, source="/raw", target="/interim", **READ)
    StagedTransformOperator(task_id="t", dag=dag, source=read.output, target="/final", transform=abs)
    assert read.downstream_task_ids == {"t"}
