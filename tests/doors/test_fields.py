"""What Airflow's rendering makes of the operators' fields: the paths as the UI shows them, or a clear error."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, DirectorySensor, ManifestSensor, StagedTransformOperator, partitions
from airflow_dirops.core.errors import ArgumentRefused

READ = {"read": bytes}


def rendered(operator: Any, **context: Any) -> Any:
    """The operator as a task process has it before it executes."""
    base = {"dag": operator.dag, "task": operator, "params": {}, "partition_key": None, "logical_date": None}
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
    with pytest.raises(ArgumentRefused) as raised:
        rendered(
            DirectoryReadOperator(task_id="read", dag=dag, source=source, target="/interim", **READ), params=params
        )
    assert f"source={source!r}" in str(raised.value)


@pytest.mark.parametrize("field", ["source", "target", "partition", "pattern", "stage"])
def test_no_field_may_render_to_none_where_templates_keep_types(native_dag: DAG, field: str) -> None:
    fields: dict[str, Any] = {"source": "/raw", "target": "/interim", field: "{{ params.x }}"}
    stage = DirectoryReadOperator(task_id="read", dag=native_dag, **fields, **READ)
    with pytest.raises(ArgumentRefused, match=field):
        rendered(stage, params={"x": None})


@pytest.mark.parametrize("name", ["20261101", "007", "2026_11_01", "1e3", "0x10", "True", "[1]", "(1)", "'a'"])
def test_what_an_author_wrote_is_text_where_templates_keep_types(native_dag: DAG, root: Path, name: str) -> None:
    stage = DirectoryReadOperator(
        task_id="read",
        dag=native_dag,
        source=name,
        target="out/{partition}/{camera}",
        partition=name,
        partition_format=None,
        dimensions={"camera": name},
        pattern=name,
        stage=name,
        **READ,
    )
    rendered(stage)
    assert (stage.pattern, stage.stage) == (name, name)
    assert (stage.source, stage.partition) == (f"{root}/{name}", name)
    assert stage.target == f"{root}/out/{name}/{name}"


@pytest.mark.parametrize("day", ["20261101", "007", "2026_11_01", "1e3"])
def test_so_is_what_a_template_makes_there(native_dag: DAG, root: Path, day: str) -> None:
    fields = {"source": ["{{ params.day }}", "b"], "target": "out/{partition}", "partition": "{{ params.day }}"}
    stage = StagedTransformOperator(
        task_id="t", dag=native_dag, **fields, partition_format=None, join="inner", pattern=[day, "*"], transform=max
    )
    rendered(stage, params={"day": day})
    assert stage.source == [f"{root}/{day}", f"{root}/b"]
    assert (stage.target, stage.pattern) == (f"{root}/out/{day}", [day, "*"])


def test_so_are_the_names_of_files_and_what_a_roll_up_ends_with(native_dag: DAG, root: Path) -> None:
    wait = DirectorySensor(task_id="wait", dag=native_dag, directory="1", expected=["007", "1e3"], marker="42")
    rendered(wait)
    assert (wait.directory, list(wait.expected or ()), wait.marker) == (f"{root}/1", ["007", "1e3"], "42")
    days = partitions("7/{partition}", until="20261101", last=1, partition_format="%Y%m%d")
    week = StagedTransformOperator(task_id="week", dag=native_dag, source=days, target="week", transform=abs)
    assert [each.path for each in rendered(week).source] == [f"{root}/7/20261101"]


def test_an_upstreams_output_stays_one_where_templates_keep_types(native_dag: DAG, root: Path) -> None:
    stage = StagedTransformOperator(
        task_id="t", dag=native_dag, source="{{ params.made }}", target="final/{partition}", transform=abs
    )
    assert rendered(stage, partition_key="2026-11-01", params={"made": UPSTREAM}).source == UPSTREAM


@pytest.mark.parametrize("taken", ["partition", "name-of-a-partition"])
def test_no_site_is_taken_for_a_partition(dag: DAG, root: Path, taken: str) -> None:
    days = partitions("interim/{site}/{partition}", until="2026-11-01", last=1)
    fields = {"source": days, "target": "final/{site}", "dimensions": {"site": taken}, "transform": abs}
    stage = rendered(StagedTransformOperator(task_id="t", dag=dag, **fields))
    assert [each.path for each in stage.source] == [f"{root}/interim/{taken}/2026-11-01"]


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
        ("source", {"path": "raw"}, "'target' and 'snapshot'"),
        ("target", {"target": "raw", "snapshot": "1"}, "not a path"),
    ],
)
def test_what_cannot_be_a_directory_is_refused(dag: DAG, root: Path, field: str, value: Any, says: str) -> None:
    fields = {"source": "raw", "target": "interim", field: value}
    with pytest.raises(ArgumentRefused, match=says):
        rendered(DirectoryReadOperator(task_id="read", dag=dag, **fields, **READ))


@pytest.mark.parametrize("value", ["", " ", 7, None, b"raw", "s3://bucket/raw", Path("raw/{{ ds }}"), "raw/{{ ds }"])
def test_what_no_run_could_take_is_refused_when_the_dag_is_read(value: Any) -> None:
    makers: tuple[Callable[[], Any], ...] = (
        lambda: DirectoryReadOperator(task_id="t", source=value, target="out", **READ),
        lambda: DirectoryReadOperator(task_id="t", source="raw", target=value, **READ),
        lambda: StagedTransformOperator(task_id="t", source=["a", value], target="b", join="inner", transform=abs),
        lambda: DirectoryReadOperator.partial(task_id="t", target=value, **READ).expand(source=["raw"]),
        lambda: DirectoryReadOperator.partial(task_id="t", target="out", **READ).expand(source=["raw", value]),
        lambda: ManifestSensor(task_id="t", target=value),
        lambda: DirectorySensor(task_id="t", directory=value, marker="_READY"),
        lambda: DirectorySensor.partial(task_id="t", marker="_READY").expand(directory=[value]),
    )
    for make in makers:
        with DAG("read", schedule=None), pytest.raises(ArgumentRefused, match="task 't'"):
            make()


@pytest.mark.parametrize("text", ["raw/{{partition}}", "raw/{{ site }}", "raw/{% if partition %}x{% endif %}"])
def test_a_placeholder_between_double_braces_is_refused_when_the_dag_is_read_and_the_advice_works(
    root: Path, text: str
) -> None:
    fields: dict[str, Any] = {"target": "out/{site}/{partition}", "dimensions": {"site": "berlin"}, **READ}
    with (
        DAG("read", schedule=None),
        pytest.raises(ArgumentRefused, match=r"'read': source=.* single braces") as refused,
    ):
        DirectoryReadOperator(task_id="read", source=text, **fields)
    (advised,) = re.findall(r"write (\{\w+\}), with", str(refused.value))
    with DAG("advised", schedule=None) as dag:
        stage = DirectoryReadOperator(task_id="read", source=f"raw/{advised}", dag=dag, **fields)
    assert rendered(stage, partition_key="2026-11-01").source in (f"{root}/raw/2026-11-01", f"{root}/raw/berlin")


def test_so_it_is_in_other_fields_and_where_it_is_mapped_over() -> None:
    for make in (
        lambda: DirectorySensor(task_id="t", directory="raw", marker="{{partition}}.done"),
        lambda: DirectorySensor(task_id="t", directory="raw", expected=["a", "{{partition}}"]),
        lambda: DirectoryReadOperator(task_id="t", source="a", target="b", pattern="{{ partition }}_*", **READ),
        lambda: DirectoryReadOperator(task_id="t", source="a", target="b", stage="{{ partition }}", **READ),
        lambda: DirectoryReadOperator.partial(task_id="t", target="b", **READ).expand(source=["{{ partition }}"]),
        lambda: StagedTransformOperator(
            task_id="t", source=partitions("a/{partition}", until="{{partition}}", last=2), target="b", transform=abs
        ),
    ):
        with DAG("read", schedule=None), pytest.raises(ArgumentRefused, match=r"write \{partition\}, with single"):
            make()


def test_a_macro_or_a_name_of_airflow_s_may_be_called_so() -> None:
    with DAG("named", schedule=None, user_defined_macros={"partition": lambda: "x"}):
        DirectoryReadOperator(task_id="own", source="raw/{{ partition() }}", target="out/{{ partition() }}", **READ)
        fields = {"target": "b/{run_id}", "dimensions": {"run_id": "7"}, **READ}
        DirectoryReadOperator(task_id="known", source="raw/{{ run_id }}", **fields)
        DirectoryReadOperator(
            task_id="set", source="{% set site = 'a' %}{{ site }}", target="b/{site}", dimensions={"site": "b"}, **READ
        )


@pytest.mark.parametrize("path", ["raw/{date}", "raw/$DAY", "/raw/${DAY}", "{site}/{partition}", "~nobody-here/raw"])
@pytest.mark.parametrize("field", ["source", "target"])
def test_what_nobody_filled_in_never_becomes_a_folder(dag: DAG, root: Path, field: str, path: str) -> None:
    fields = {"source": "raw/{partition}", "target": "out/{partition}", field: path}
    with pytest.raises(ArgumentRefused, match=rf"{field}=.*(placeholder|environment variable|home directory)"):
        rendered(StagedTransformOperator(task_id="t", dag=dag, **fields, aggregate=list), partition_key="2026-11-01")
    with pytest.raises(ArgumentRefused, match="target="):
        rendered(ManifestSensor(task_id="wait", dag=dag, target=path), partition_key="2026-11-01")


def test_the_home_directory_is_expanded_in_paths_and_in_the_root(
    dag: DAG, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(root))
    fields = {"dag": dag, "target": "out/{partition}", **READ}
    stage = DirectoryReadOperator(task_id="home", source="~/raw/{partition}", **fields)
    assert rendered(stage, partition_key="2026-11-01").source == f"{root}/raw/2026-11-01"
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", "~/data")
    stage = DirectoryReadOperator(task_id="root", source="raw/{partition}", **fields)
    assert rendered(stage, partition_key="2026-11-01").source == f"{root}/data/raw/2026-11-01"


def test_a_relative_root_is_refused(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", "data")
    with pytest.raises(ArgumentRefused, match="root='data'"):
        rendered(DirectoryReadOperator(task_id="read", dag=dag, source="raw", target="interim", **READ))


def test_a_partition_of_the_source_must_be_in_the_target(dag: DAG, root: Path) -> None:
    with pytest.raises(ArgumentRefused, match="replace the one before"):
        DirectoryReadOperator(task_id="read", dag=dag, source="raw/{partition}", target="interim", **READ)


UPSTREAM = {
    "target": "/interim/2026-11-01",
    "snapshot": "0190a5da-ac96-774b-bcce-b302099a8057",
    "partition": "2026-11-01",
}


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


@pytest.mark.parametrize(
    "target",
    [
        "out/2026-11-01",
        "out/lab2026-11-01",
        "out/{{ params.lab }}",
        "2026-11-01/{{ params.lab }}",
        "out/{{ ds_nodash }}",
    ],
)
def test_only_what_the_template_asks_for_counts_as_the_partition(dag: DAG, root: Path, target: str) -> None:
    def make_and_render() -> None:
        stage = DirectoryReadOperator(task_id="read", dag=dag, source="raw/{partition}", target=target, **READ)
        rendered(stage, partition_key="2026-11-01", params={"lab": "lab12"}, ds_nodash="20261101")

    with pytest.raises(ArgumentRefused, match="replace the one before"):
        make_and_render()


@pytest.mark.parametrize(
    "target",
    ["out/day={partition}", "{partition}/x", "out/{{ partition_key }}", "2026-11-01/{{ partition_key }}"],
)
def test_a_target_may_ask_for_the_partition_in_any_place(dag: DAG, root: Path, target: str) -> None:
    stage = DirectoryReadOperator(task_id="read", dag=dag, source="raw/{partition}", target=target, **READ)
    assert "2026-11-01" in rendered(stage, partition_key="2026-11-01").target


def test_a_partition_of_several_folders_is_found_as_a_whole(dag: DAG, root: Path) -> None:
    fields = {"source": "raw/{partition}", "partition_format": "%Y/%m/%d", **READ}
    key = {"partition_key": "2026/11/01"}
    good = DirectoryReadOperator(task_id="good", dag=dag, target="out/{{ partition_key }}", **fields)
    assert rendered(good, **key).target == f"{root}/out/2026/11/01"
    bad = DirectoryReadOperator(task_id="bad", dag=dag, target="out/{{ partition_key[:7] }}", **fields)
    with pytest.raises(ArgumentRefused, match="replace the one before"):
        rendered(bad, **key)


RUN = {"ds": "2026-11-01", "run_id": "manual__1", "ti": {"x": "here"}, "partition_key": "2026-11-01"}


@pytest.mark.parametrize(
    ("source", "target", "is_refused"),
    [
        ("raw/{{ ds }}", "out", True),
        ("raw/{{ ds }}", "out/{{ ds }}", False),
        ("raw/{{ ds }}", "out/{{ run_id }}", False),
        ("raw/{{ run_id }}", "out/{partition}", False),
        ("raw/{{ partition_key }}", "out", True),
        ("raw/{{ ti['x'] }}", "out", True),
        ("raw/{{ ti['x'] }}", "out/{partition}", False),
        ("{% if ds %}raw{% endif %}", "out", True),
        ("raw/{{ var }}", "out", False),
        ("raw/{{ conn }}", "out", False),
        ("raw/{{ own_macro }}", "out", False),
        ("raw/{{ params.site }}", "out", True),
        ("raw/{{ params['site'] }}", "out", True),
        ("raw/{{ params.site }}", "out/{{ params.site }}", False),
        ("raw/{{ params.site }}/{{ ds }}", "out/{{ params.site }}", True),
        ("raw/{{ params.kind }}", "out", False),  # the DAG's own value
    ],
)
def test_a_source_that_changes_from_run_to_run_needs_a_target_that_does(
    root: Path, source: str, target: str, is_refused: bool
) -> None:
    dag = DAG("varies", schedule=None, params={"site": "a", "kind": "k"})
    stage = DirectoryReadOperator(task_id="read", dag=dag, source=source, target=target, **READ)
    context = {
        **RUN,
        "params": {"site": "b", "kind": "k"},
        "dag_run": SimpleNamespace(
            conf={"site": "b", "kind": "k"}, run_type="manual", run_after=pendulum.datetime(2026, 11, 2)
        ),
        **dict.fromkeys(("var", "conn", "own_macro"), "x"),
    }
    with pytest.raises(ArgumentRefused, match="each run would replace") if is_refused else nullcontext():
        rendered(stage, **context)


def test_an_aggregate_may_replace_what_it_made_of_the_day_before(dag: DAG, root: Path) -> None:
    for source in ("raw/{{ ds }}", "raw/{partition}"):
        stage = StagedTransformOperator(task_id=f"t{len(source)}", dag=dag, source=source, target="out", aggregate=list)
        assert rendered(stage, **RUN).target == f"{root}/out"


BERLIN = {
    "ds": "2026-11-02",
    "ds_nodash": "20261102",
    "logical_date": pendulum.datetime(2026, 11, 3, tz="Europe/Berlin"),
}


@pytest.mark.parametrize(
    ("source", "partition_format"),
    [
        ("raw/{{ ds }}", "schedule"),
        ("raw/{{ ds_nodash }}/x", "schedule"),
        ("raw/img_{{ ds_nodash }}", "schedule"),
        ("raw/{{ ds }}", "%Y/%m/%d"),
        ("raw/{{ ds.replace('-', '/') }}", "%Y/%m/%d"),
    ],
)
def test_a_source_of_another_day_is_refused_and_the_advice_works(
    root: Path, source: str, partition_format: str
) -> None:
    dag = DAG("berlin", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Berlin"))
    fields = {"dag": dag, "target": "out/{partition}", "partition_format": partition_format, **READ}
    with pytest.raises(ArgumentRefused, match=r"'2026.?11.?02'.*partition is '2026.11.03'.*ds is a date in UTC"):
        rendered(DirectoryReadOperator(task_id="read", source=source, **fields), **BERLIN)
    advised = DirectoryReadOperator(task_id="advised", source="raw/{partition}", **fields)
    assert rendered(advised, **BERLIN).source.replace("/", "-").endswith("2026-11-03")
    meant = "{{ ds }}" if partition_format == "schedule" else "{{ ds.replace('-', '/') }}"
    rendered(DirectoryReadOperator(task_id="meant", source=source, partition=meant, **fields), **BERLIN)


@pytest.mark.parametrize(
    ("source", "partition_format"),
    [
        ("raw/{{ logical_date.in_timezone('Europe/Berlin') | string | truncate(10, True, '') }}", "schedule"),
        ("calibration/2026-01-01/{{ params.site }}/{partition}", "schedule"),
        ("raw/{{ params.site }}", "%G-W%V"),
        ("raw/{{ ds }}", "%G-W%V"),  # a day of that week
        ("raw/{{ ds }}", "%Y-%m"),
    ],
)
def test_other_dates_are_meant(root: Path, source: str, partition_format: str) -> None:
    dag = DAG("berlin", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Berlin"))
    fields = {"dag": dag, "target": "out/{partition}", "partition_format": partition_format, **READ}
    rendered(DirectoryReadOperator(task_id="read", source=source, **fields), **BERLIN, params={"site": "a"})


@pytest.mark.parametrize(
    ("asked", "day"),
    [("ds", "2026-11-01"), ("macros.ds_add(ds, -1)", "2026-10-31"), ("ds | replace('-', '')", "2026-11-01")],
)
def test_ds_in_a_run_that_has_none_is_explained_once_and_the_advice_works(
    dag: DAG, root: Path, asked: str, day: str
) -> None:
    from airflow.sdk.execution_time import macros

    fields = {"dag": dag, "target": "out/{partition}", "partition": day, **READ}
    run = {"partition_key": "2026-11-01", "macros": macros, "dag_run": SimpleNamespace(run_type="scheduled")}
    with pytest.raises(ArgumentRefused, match=r"'ds' is undefined.*Write \{partition\}") as refused:
        rendered(DirectoryReadOperator(task_id="read", source=f"raw/{{{{ {asked} }}}}", **fields), **run)
    assert str(refused.value).count("no logical date") == str(refused.value).count("which every run has") == 1
    (advised,) = re.findall(r"within Jinja (\S+),", str(refused.value))
    source = f"raw/{{{{ {re.sub('ds(?![_a-z])', advised, asked)} }}}}"
    stage = rendered(DirectoryReadOperator(task_id="advised", source=source, **fields), **run)
    assert stage.source.replace("-", "") == f"{root}/raw/{day}".replace("-", "")


def test_another_name_that_is_missing_is_named(dag: DAG, root: Path) -> None:
    stage = DirectoryReadOperator(task_id="read", dag=dag, source="raw/{{ site }}", target="out", **READ)
    with pytest.raises(ArgumentRefused, match="'site' is undefined; mend the name"):
        rendered(stage, partition_key="2026-11-01")


def mapped(operator: Any, **context: Any) -> Any:
    """The operator as the process of one of its instances has it."""
    return rendered(operator, ti=SimpleNamespace(map_index=1), **context)


def test_an_instance_of_a_mapped_stage_takes_the_partition_of_its_source(dag: DAG, root: Path) -> None:
    stage = StagedTransformOperator(task_id="t", dag=dag, source=UPSTREAM, target="final/{partition}", transform=abs)
    context = {"logical_date": pendulum.datetime(2026, 11, 5), "partition_key": None}
    assert mapped(stage, **context).target == f"{root}/final/2026-11-01"


def test_so_it_does_in_a_run_with_a_key(dag: DAG, root: Path) -> None:
    stage = StagedTransformOperator(task_id="t", dag=dag, source=UPSTREAM, target="final/{partition}", transform=abs)
    assert mapped(stage, partition_key="2026-11-05").target == f"{root}/final/2026-11-01"


def test_sources_of_different_partitions_are_refused(dag: DAG, root: Path) -> None:
    other = {**UPSTREAM, "partition": "2026-11-02"}
    stage = StagedTransformOperator(
        task_id="t", dag=dag, source=[UPSTREAM, other], join="inner", target="final/{partition}", transform=max
    )
    with pytest.raises(ArgumentRefused, match="2026-11-01, 2026-11-02"):
        rendered(stage, logical_date=pendulum.datetime(2026, 11, 1))


def test_taking_an_upstreams_output_makes_it_an_upstream(dag: DAG) -> None:
    read = DirectoryReadOperator(task_id="read", dag=dag, source="/raw", target="/interim", **READ)
    StagedTransformOperator(task_id="t", dag=dag, source=read.output, target="/final", transform=abs)
    assert read.downstream_task_ids == {"t"}
