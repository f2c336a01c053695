"""Arguments that no run could use together are refused when the DAG file is read, as the core does in a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator, partitions
from airflow_dirops.core import transform_directory
from airflow_dirops.core.errors import ArgumentRefused

WHERE = {"source": "/raw", "target": "/out"}


def one(value: str) -> str:
    return value


def two(left: str, right: str) -> str:
    return left + right


def none() -> None: ...


def by_key(records: Any, key: str) -> Any: ...


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no function": ({}, "has no function"),
    "two functions": ({"transform": one, "aggregate": one}, "both transform= and aggregate="),
    "no function but a name": ({"transform": "one"}, "must be a function"),
    "takes nothing": ({"transform": none}, "takes no argument"),
    "wants what nobody gives": ({"transform": two}, "nothing gives it right"),
    "join of one": ({"transform": one, "join": "inner"}, "do not fit"),
    "a function for too few": ({"transform": one, "source": ["/a", "/b"], "join": "inner"}, "takes 1 positional"),
    "batches of a join": ({"transform": two, "source": ["/a", "/b"], "join": "inner", "batch_size": 2}, "batch_size="),
    "patterns without a join": ({"transform": one, "pattern": ["*.png", "*.jpg"]}, "write pattern='*.{png,jpg}'"),
    "workers of an aggregate": ({"aggregate": one, "workers": 2}, "one call over all records"),
    "an aggregate by key": ({"aggregate": by_key}, "aggregate= has no key"),
    "an unknown codec": ({"transform": one, "codec": "nppy"}, "did you mean 'npy'?"),
    "a class for a codec": ({"transform": one, "source_codec": int}, "is not a codec"),
    "a number for a stage": ({"transform": one, "stage": 3}, "stage=3 is no text; write stage='3'"),
    "a number for a version": ({"transform": one, "version": 1.2}, "write version='1.2'"),
    "a word for yes": ({"transform": one, "follow_symlinks": "yes"}, "neither True nor False"),
    "a number for a partition": ({"transform": one, "partition": 20261101}, "write partition='20261101'"),
    "one target for all": ({"transform": one, "source": "/raw/{partition}"}, r"put {partition} into target"),
    "several targets": ({"transform": one, "target": partitions("/out/{partition}", last=3)}, "a run writes one"),
}


@pytest.mark.parametrize(("wrong", "said"), WRONG.values(), ids=WRONG)
def test_it_is_refused_and_the_task_named(wrong: dict[str, Any], said: str) -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused) as refusal:
        StagedTransformOperator(task_id="wrong", **{**WHERE, **wrong})
    assert said in str(refusal.value)
    assert "task 'wrong': " in str(refusal.value)


IN_THE_CORE_TOO = [name for name in WRONG if not name.endswith(("a partition", "for all", "targets", "codec"))]


@pytest.mark.parametrize("name", IN_THE_CORE_TOO)
def test_a_script_is_told_the_same(name: str, tmp_path: Path) -> None:
    wrong, said = WRONG[name]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").touch()
    where: dict[str, Any] = {"source": tmp_path / "a", "target": tmp_path / "out"}
    if isinstance(wrong.get("source"), list):
        where["source"] = [tmp_path / "a", tmp_path / "a"]
    asked = {**{key: value for key, value in wrong.items() if key != "source"}, **where}
    with pytest.raises(ArgumentRefused) as refusal:
        transform_directory(**asked)
    assert said in str(refusal.value)


@pytest.mark.parametrize("name", ["no function", "two functions", "takes nothing", "join of one", "one target for all"])
def test_it_is_refused_of_mapped_stages_too(name: str) -> None:
    wrong, said = WRONG[name]
    shared = {**WHERE, **wrong}
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused) as refusal:
        StagedTransformOperator.partial(task_id="wrong", **shared).expand(dimensions=[{"site": "a"}])
    assert said in str(refusal.value)


def test_patterns_of_a_bare_source_are_refused() -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match=r"write pattern='\*\*/\*\.\{png,jpg\}'"):
        DirectoryReadOperator(task_id="wrong", read=one, pattern=["**/*.png", "**/*.jpg"], **WHERE)


def test_what_only_a_run_knows_is_left_to_it() -> None:
    @task
    def names() -> list[str]:
        return ["/a", "/b"]

    with DAG("taken", schedule=None) as dag:
        several: Any = names()
        StagedTransformOperator(task_id="joined", source=several, target="/out/1", join="inner", transform=two)
        StagedTransformOperator(task_id="templates", source="{{ params.from }}", target="/out/2", transform=one)
        StagedTransformOperator.partial(task_id="mapped", transform=two, join="inner").expand_kwargs(
            [{"source": ["/a", "/b"], "target": "/out/3"}]
        )
    assert {"joined", "templates", "mapped"} <= set(dag.task_ids)


def _decorated(function: Callable[..., Any], **given: Any) -> None:
    task.staged_transform(**WHERE)(function)(**given)


def test_what_the_dag_gives_to_a_decorated_function_counts() -> None:
    def scaled(value: str, factor: int) -> str:
        return value * factor

    with DAG("taken", schedule=None):
        _decorated(scaled, factor=2)
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match="takes no argument"):
        _decorated(none)
