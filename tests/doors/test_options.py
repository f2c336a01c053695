"""Every option that is defined, through every door of Airflow; and what stands in the place of the form's fields."""

from __future__ import annotations

import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Param, task
from airflow.serialization.serialized_objects import DagSerialization

from airflow_dirops import DirectoryReadOperator, DirectorySensor, Retention, StagedTransformOperator, dirops_params
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.stage.option import REQUIRED, Option, Where
from airflow_dirops.core.stage.options import OPTIONS
from airflow_dirops.core.stage.policies import choices_of
from airflow_dirops.operators.arguments import ARGUMENTS, arguments_of
from airflow_dirops.runtime.choices import form_choices
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write

KINDS = {DirectoryReadOperator: "read", StagedTransformOperator: "transform"}
UNUSUAL = {
    "partition": "2026-11-01",
    "partition_format": None,
    "dimensions": {"site": "berlin"},
    "retention": Retention(keep_snapshots=3),
    "max_failures": 2,
    "check": max,
    "shard_executor": ThreadPoolExecutor,
}
COMPANIONS: dict[str, dict[str, Any]] = {
    "max_failures": {"on_error": "quarantine"},
    "shards": {"shard_executor": ThreadPoolExecutor},
    "shard_executor": {"shards": 4},
}
SHARED = [name for name, each in ARGUMENTS.items() if each.default is not REQUIRED]


def another(option: Option) -> Any:
    """A value that is not the default."""
    if option.name in UNUSUAL:
        return UNUSUAL[option.name]
    if choices := choices_of(option):
        return next(each for each in choices if each != option.default)
    if option.type == "bool":
        return not option.default
    return 2 if option.type.startswith(("int", "float")) else "json" if "Codec" in option.type else "other"


def first(*values: Any) -> Any:
    """What any stage can call, however many sources it has."""
    return values[0]


def companions(option: Option) -> dict[str, Any]:
    """What an option needs beside it."""
    return COMPANIONS.get(option.name, {})


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_has_each_argument_by_keyword_with_its_type_and_default(kind: Any) -> None:
    shown = inspect.signature(kind).parameters
    for name, argument in arguments_of(kind.__name__).items():
        assert shown[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert shown[name].default == (inspect.Parameter.empty if argument.default is REQUIRED else argument.default)
        assert f":param {name}: " in kind.__doc__
    strangers = set(shown) - set(ARGUMENTS) - {"self", "kwargs", *KINDS.values(), "aggregate"}
    assert strangers == set()


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("kind", KINDS)
def test_each_comes_from_default_args_partial_and_a_decorator(kind: Any, name: str) -> None:
    if name not in arguments_of(kind.__name__):
        pytest.skip(f"{name} is of {ARGUMENTS[name].of}")
    value = another(ARGUMENTS[name])
    given = {name: value, **companions(ARGUMENTS[name])}
    role, decorator = KINDS[kind], {"read": task.directory_read, "transform": task.staged_transform}[KINDS[kind]]
    source: Any = ["/raw", "/more"] if name == "join" else "/raw"
    with DAG("each", schedule=None, default_args=given) as by_default:
        kind(task_id="plain", source=source, target="/out", **{role: first})
        decorator(source=source, target="/up")(first)()
        kind.partial(task_id="mapped", source=source, **{role: first}).expand(target=["/out"])
    with DAG("given", schedule=None) as by_hand:
        kind.partial(task_id="mapped", source=source, **{role: first}, **given).expand(target=["/out"])
    for dag in (by_default, by_hand):
        assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_ids == dag.task_ids
        assert getattr(dag.get_task("mapped").unmap({"target": "/out"}), name) == value
    assert [getattr(by_default.get_task(each), name) for each in ("plain", "first")] == [value, value]


@pytest.mark.parametrize("option", [each for each in OPTIONS.values() if each.form], ids=lambda each: each.name)
def test_each_field_of_the_form_goes_before_the_operator(option: Option) -> None:
    assert option.form
    value = {"switch": True, "count": 2, "text": "7%"}.get(option.form.kind) or another(option)
    gives = option.form.gives if option.form.kind == "switch" else value
    with DAG("form", schedule=None, params=dirops_params()) as dag:
        stage = DirectoryReadOperator(task_id="read", source="/raw", target="/out", read=read_text)
    context: Any = {"task": stage, "params": dag.params.dump()}
    given = {name: getattr(stage, name, None) for name in ARGUMENTS}
    beside = {**given, **companions(option)}
    assert form_choices(context, beside)[option.name] == beside.get(option.name, option.default)
    context["params"] |= {option.field_name: value}
    assert form_choices(context, beside)[option.name] == gives
    assert dirops_params()[option.field_name].schema["title"] == option.form.title


def test_what_every_task_of_airflow_takes_has_our_defaults_and_can_be_replaced() -> None:
    made = {}
    for args in ({}, {"map_index_template": "{{ ds }}", "retry_policy": None}):
        with DAG("own", schedule=None, default_args=args) as dag:
            DirectoryReadOperator(task_id="plain", source="/raw", target="/out", read=read_text)
            DirectoryReadOperator.partial(task_id="mapped", source="/raw", read=read_text).expand(target=["/out"])
            DirectorySensor(task_id="sensor", directory="/raw", marker="_READY")
        made[bool(args)] = [(each.map_index_template, each.retry_policy) for each in dag.tasks]
    assert made[True] == [("{{ ds }}", None)] * 3
    assert len(set(made[False])) == 1
    assert all("dirops_label" in template and policy for template, policy in made[False])


TAKEN = ["partition", *(each.field_name for each in OPTIONS.values() if each.form)]


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("value", ["all", Param("all", type="string", title="Redo")], ids=["a value", "a param"])
def test_a_param_in_the_place_of_a_field_is_refused(name: str, value: Any) -> None:
    with (
        DAG("taken", schedule=None, params={**dirops_params(), name: value}),
        pytest.raises(ArgumentRefused, match=f"task 'read': params has a '{name}' in the place of the form's field"),
    ):
        DirectoryReadOperator(task_id="read", source="/raw", target="/out", read=read_text)
    with DAG("taken", schedule=None, params={**dirops_params(), name: value}), pytest.raises(ArgumentRefused):
        DirectoryReadOperator.partial(task_id="read", source="/raw", read=read_text)
    with DAG("task", schedule=None, params=dirops_params()), pytest.raises(ArgumentRefused, match="leave it out"):
        DirectoryReadOperator(task_id="read", source="/raw", target="/out", read=read_text, params={name: value})
    with DAG("partial", schedule=None, params=dirops_params()), pytest.raises(ArgumentRefused, match="leave it out"):
        DirectoryReadOperator.partial(task_id="read", source="/raw", read=read_text, params={name: value})
    with DAG("own", schedule=None, params={name: value}):
        DirectoryReadOperator(task_id="read", source="/raw", target="/out", read=read_text)


def test_what_the_refusal_advises_steers_the_run_and_the_form_can_choose_otherwise(runs: Runs, root: Path) -> None:
    write(root / "raw", one="a")
    with (
        DAG("taken", schedule=None, params={**dirops_params(), "redo": "all"}),
        pytest.raises(ArgumentRefused) as refused,
    ):
        DirectoryReadOperator(task_id="read", source="raw", target="out", read=read_text)
    (name,) = re.findall(r"write default_args={'(\w+)': \.\.\.}", str(refused.value))
    outcomes = []
    for form in ({}, {}, {"redo": "needed"}):
        with DAG("advised", schedule=None, params=dirops_params(), default_args={name: "all"}) as dag:
            DirectoryReadOperator(task_id="read", source="raw", target="out", read=read_text, codec="text")
        outcomes.append(runs(dag, conf=form).output("read")["outcome"])
    assert outcomes == ["committed", "committed", "unchanged"]
    assert values(root / "out") == {"one": "a"}


def test_options_of_one_run_and_of_scripts_are_no_arguments() -> None:
    assert {name for name, each in OPTIONS.items() if each.where in (Where.ONE_RUN, Where.SCRIPTS)} - {
        "partition",
        "dimensions",
        "shards",
    } == (OPTIONS.keys() - ARGUMENTS.keys())
