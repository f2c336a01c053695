"""Several directories where a stage reads one are refused while the DAG is parsed, and the advice works when pasted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task, task_group

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator
from airflow_dirops.core.errors import ArgumentRefused
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, write

NAMES = ("a", "b")
PAIRS = [{"source": f"raw/{name}", "target": f"interim/{name}"} for name in NAMES]
READER = {"read": read_text, "codec": "text"}
TRANSFORM = {"task_id": "t", "transform": str.upper, "codec": "text"}
IN_A_FILE = """
from airflow.sdk import DAG
from airflow_dirops import DirectoryReadOperator, StagedTransformOperator
from tests.doors.test_several_sources import NAMES, PAIRS, READER, read_text

with DAG("advised", schedule=None):
    source = {source}
    {advised}
"""

SOURCES = {
    "paths": '["raw/a", "raw/b"]',
    "a tuple": '("raw/a", "raw/b")',
    "outputs": "[DirectoryReadOperator(task_id=n, **READER, **pair).output for n, pair in zip(NAMES, PAIRS)]",
    "a mapped stage": 'DirectoryReadOperator.partial(task_id="r", **READER).expand_kwargs(PAIRS).output',
}
DOORS: dict[str, Callable[[Any], Any]] = {
    "operator": lambda source: StagedTransformOperator(source=source, target="final", **TRANSFORM),
    "reader": lambda source: DirectoryReadOperator(task_id="t", source=source, target="final", **READER),
    "partial": lambda source: StagedTransformOperator.partial(source=source, **TRANSFORM).expand(target=["x", "y"]),
    "decorator": lambda source: task.staged_transform(source=source, target="final", codec="text")(upper)(),
}


def upper(text: str) -> str:
    return text.upper()


def refusal(door: Callable[[Any], Any], source: str) -> str:
    with DAG("several", schedule=None):
        given = eval(source)
        with pytest.raises(ArgumentRefused, match=r"a stage reads one.*target.*of its own: .*join=") as refused:
            door(given)
    return str(refused.value)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_they_are_refused_while_the_dag_is_parsed(door: Callable[[Any], Any], source: str) -> None:
    # the page of import errors shows no line of the DAG file
    assert refusal(door, source).startswith(("task 't': source=", "task 'upper': source="))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_the_advice_works_when_it_is_pasted(runs: Runs, root: Path, source: str) -> None:
    for name in NAMES:
        write(root / "raw" / name, **{name: name})
    (advised,) = re.findall(r"of its own: (.*?)(?:, where source|\. Or)", refusal(DOORS["operator"], source))
    others = (
        "read=read_text, transform=str.upper, codec='text'"
        if "raw/a" in advised
        else "transform=str.upper, codec='text'"
    )
    if advised.startswith(".partial"):
        advised, others = f"StagedTransformOperator{advised}", f"task_id='t', {others}"
    run = runs.file("advised", IN_A_FILE.format(source=source, advised=advised.replace("...", others)))
    assert str(run.dag_run.state) == "success"
    made = [[path.read_text() for path in root.glob(f"*/*/{name}.txt")] for name in NAMES]
    assert [name.upper() in texts for name, texts in zip(NAMES, made, strict=True)] == [True, True]


def test_outputs_of_a_mapped_group_are_many_outside_of_it_and_one_inside() -> None:
    made = []
    with DAG("groups", schedule=None):

        @task_group
        def each(name: str) -> None:
            made.append(DirectoryReadOperator(task_id="r", source=name, target=name, **READER).output)
            StagedTransformOperator(source=made[0], target="final", **TRANSFORM)

        each.expand(name=["raw/a", "raw/b"])
        with pytest.raises(ArgumentRefused, match=r"all that the instances of the mapped task 'each.r' returned"):
            StagedTransformOperator(source=made[0], target="final", **TRANSFORM)


def test_of_one_output_and_of_joined_sources_nothing_is_refused() -> None:
    with DAG("fine", schedule=None):
        one, other = eval(SOURCES["outputs"])
        StagedTransformOperator(source=one, target="final/1", **TRANSFORM)
        joined = {**TRANSFORM, "task_id": "joined"}
        StagedTransformOperator(source=[one, other], join="inner", target="final/2", **{**joined, "transform": max})
        each = {**TRANSFORM, "task_id": "each"}
        StagedTransformOperator.partial(target="final/3", **each).expand(source=[one, other])
