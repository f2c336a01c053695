"""What all instances of a mapped stage share is what one stage alone would have: assets, default_args, the form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, TaskGroup, task
from airflow.sdk.exceptions import ParamValidationError

from airflow_dirops import (
    DirectoryReadOperator,
    ManifestSensor,
    daily_partitions,
    dirops_params,
    hourly_partitions,
    target_asset,
    weekly_partitions,
)
from airflow_dirops.core.errors import ArgumentRefused
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write

DAY = "2026-11-01"
READ: dict[str, Any] = {"read": read_text, "codec": "text"}


def test_a_mapped_decorated_stage_tells_its_asset(runs: Runs, root: Path) -> None:
    write(root / "raw", one="a")
    made = target_asset("made")
    with DAG("decorated", schedule=None) as dag:

        @task.directory_read(source="raw", target=made, codec="text")
        def read(path: str, by: str) -> str:
            return read_text(path) * int(by)

        read.expand(by=["3"])
    run = runs(dag)
    assert values(root / "made") == {"one": "aaa"}
    assert len(run.events("read")) == 1
    assert dag.get_task("read").outlets == [made]


@pytest.mark.usefixtures("root")
def test_a_target_that_is_an_asset_is_not_mapped_over() -> None:
    with DAG("assets", schedule=None), pytest.raises(ArgumentRefused, match="task 'read': target= is mapped over"):
        DirectoryReadOperator.partial(task_id="read", source="raw", **READ).expand(target=[target_asset("made")])


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("where", ["default_args", "the partial", "what is mapped over"])
def test_an_asset_below_another_root_is_refused(where: str) -> None:
    root = {"root_conn_id": "disk"}

    def make() -> None:
        shared = root if where == "the partial" else {}
        partial = DirectoryReadOperator.partial(task_id="read", target=target_asset("made"), **READ, **shared)
        partial.expand_kwargs([{"source": "raw", **(root if where == "what is mapped over" else {})}])

    defaults = root if where == "default_args" else {}
    with DAG("rooted", schedule=None, default_args=defaults), pytest.raises(ArgumentRefused, match="says another root"):
        make()


def test_default_args_fill_in_names(runs: Runs, root: Path) -> None:
    write(root / "raw/berlin", one="a")
    with DAG("named", schedule=None, default_args={"dimensions": {"site": "berlin"}}) as dag:
        DirectoryReadOperator.partial(task_id="read", target="made/{site}", **READ).expand(source=["raw/{site}"])
    assert runs(dag).state("read", 0) == "success"
    assert values(root / "made/berlin") == {"one": "a"}


@pytest.mark.parametrize("wrong", [{"partition_format": "%d"}, {"root_conn_id": 7}, {"dimensions": {"site": "../x"}}])
def test_default_args_that_no_run_could_use_are_refused(wrong: dict[str, Any]) -> None:
    with DAG("wrong", schedule=None, default_args=wrong), pytest.raises(ArgumentRefused, match="task 'read'"):
        DirectoryReadOperator.partial(task_id="read", source="raw", **READ)


def mapped_operator() -> None:
    DirectoryReadOperator.partial(task_id="read", target="made/{partition}", partition_format="%G-W%V", **READ).expand(
        source=["raw/{partition}"]
    )


def mapped_decorator() -> None:
    @task.directory_read(source="raw/{partition}", target="made/{partition}", partition_format="%G-W%V", codec="text")
    def read(path: str, by: str) -> str:
        return read_text(path)

    read.expand(by=["1"])


@pytest.mark.parametrize("make", [mapped_operator, mapped_decorator])
def test_the_form_and_templates_know_the_stage(runs: Runs, root: Path, make: Callable[[], None]) -> None:
    write(root / "raw/2026-W44", one="a")
    with DAG("mapped", schedule=None, params=dirops_params()) as dag:
        make()
    with pytest.raises(ParamValidationError):
        dag.params["partition"] = "2026-11"
    assert runs(dag, conf={"partition": "2026-W44"}).state("read", 0) == "success"
    assert values(root / "made/2026-W44") == {"one": "a"}


@pytest.mark.parametrize("expand", [lambda p: p.expand(source=["a"]), lambda p: p.expand_kwargs([{"source": "a"}])])
def test_a_partial_that_is_mapped_later_has_the_form_as_it_is_then(expand: Callable[[Any], Any]) -> None:
    with DAG("later", schedule=None, params=dirops_params()) as dag:
        partial = DirectoryReadOperator.partial(task_id="mapped", target="b", **READ)
        DirectoryReadOperator(task_id="weeks", source="a", target="c/{partition}", partition_format="%G-W%V", **READ)
        expand(partial)
    for task_id in ("mapped", "weeks"):
        dag.get_task(task_id).params["partition"] = "2026-W44"
        dag.get_task(task_id).params["partition"] = "2026-11-01"


@pytest.mark.parametrize(
    "given", [{"limit": 3}, {"dry_run": True}, {"accept_code_change": True}, {"accept_removal": 1}]
)
@pytest.mark.parametrize("where", ["dag", "group", "task"])
def test_default_args_that_are_for_one_run_are_refused(given: dict[str, Any], where: str) -> None:
    (name,) = given
    at = {where: given}

    @task.directory_read(source="raw", target="made", codec="text", default_args=at.get("task"))
    def decorated(path: str, by: str = "x") -> str:
        return path

    fields = {"task_id": "read", "target": "made", "default_args": at.get("task"), **READ}
    for make in (
        lambda: DirectoryReadOperator(source="raw", **fields),
        lambda: DirectoryReadOperator.partial(**fields).expand(source=["raw"]),
        decorated,
        lambda: decorated.expand(by=["a"]),
    ):
        with (
            DAG("defaults", schedule=None, default_args=at.get("dag") or {}),
            TaskGroup("group", default_args=at.get("group") or {}),
            pytest.raises(ArgumentRefused, match=rf"task '\w+': default_args has '{name}'.*params=dirops_params\(\)"),
        ):
            make()


@pytest.mark.parametrize(
    "wrong", [{"partition_format": "%d"}, {"on_error": "fail", "max_failures": 3}, {"source": "raw/{site}"}]
)
def test_a_mapped_decorated_stage_is_looked_at_when_the_dag_is_read(wrong: dict[str, Any]) -> None:
    with DAG("wrong", schedule=None):

        @task.directory_read(**{"source": "raw", "target": "made", "codec": "text", **wrong})
        def read(path: str, by: str) -> str:
            return path

        with pytest.raises(ArgumentRefused, match="task 'read'"):
            read.expand(by=["1"])


def test_dags_that_were_given_the_same_fields_have_forms_of_their_own() -> None:
    fields = dirops_params()
    schedules = {"day": daily_partitions("0 2 * * *"), "hour": hourly_partitions("5 * * * *")}
    schedules["week"] = weekly_partitions("0 2 * * 1")
    dags = {}
    for name, schedule in schedules.items():
        with DAG(name, schedule=schedule, params=fields) as dags[name]:
            DirectoryReadOperator(task_id="read", source="raw/{partition}", target="made/{partition}", **READ)
    taken = {"day": DAY, "hour": f"{DAY}T05", "week": "2026-W44"}
    for name, dag in dags.items():
        dag.params["partition"] = taken[name]
        dag.params.validate()
        with pytest.raises(ParamValidationError):
            dag.params["partition"] = taken["hour" if name == "day" else "day"] if name != "week" else "2026"
    assert dags["day"].params.get_param("partition").schema["format"] == "date"


def test_the_form_follows_the_schedule_and_stages_that_take_the_runs_partition() -> None:
    with DAG("beside", schedule=daily_partitions("0 2 * * *"), params=dirops_params()) as dag:
        DirectoryReadOperator(task_id="read", source="raw/{partition}", target="made/{partition}", **READ)
        ManifestSensor(task_id="wait", target="hours/{partition}", partition="north", partition_format=None)
        DirectoryReadOperator(
            task_id="any", source="raw/{partition}", target="any/{partition}", partition_format=None, **READ
        )
    assert dag.params.get_param("partition").schema["format"] == "date"
    with DAG("unlike", schedule=None, params=dirops_params()) as dag:
        DirectoryReadOperator(task_id="read", source="raw/{partition}", target="made/{partition}", **READ)
        ManifestSensor(task_id="wait", target="hours/{partition}", partition_format="%Y-%m-%dT%H")
    for name in (DAY, f"{DAY}T05"):
        dag.params["partition"] = name
        dag.params.validate()
