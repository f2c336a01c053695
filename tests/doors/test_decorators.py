"""Functions of a DAG file as stages, by decorator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, task

from airflow_dirops import daily_partitions
from airflow_dirops.core import read_manifest
from tests.text_files import read_text, values, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doors.airflow_runs import Runs

DAY = "2026-11-01"

SOURCE = """
from pathlib import Path

from airflow.sdk import DAG, task

from airflow_dirops import daily_partitions

with DAG("decorated", schedule=daily_partitions("0 2 * * *")):

    @task.directory_read(source="raw/{partition}", target="interim/{partition}", codec="text")
    def read(path):
        return Path(path).read_text()

    @task.staged_transform(source=read(), target="final/{partition}", codec="text")
    def marked(text, key, mark, *, times=1) -> str:
        return f"{key}: {text}{mark * times}"

    marked(mark="{{ partition_key[-1] }}", times=2)
"""


def test_decorated_functions_are_stages(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a", two="b")
    run = runs.file("decorated", SOURCE, key=DAY)
    assert values(root / "final" / DAY) == {"one": "one: a11", "two": "two: b11"}
    assert read_manifest(root / "final" / DAY).source.snapshot == run.output("read")["snapshot"]
    assert run.rendered("marked")["target"] == f"{root}/final/{DAY}"


def test_a_decorated_stage_can_be_mapped(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a")
    with DAG("spread", schedule=daily_partitions("0 2 * * *")) as dag:

        @task.directory_read(source="raw/{partition}", codec="text", target="out/{{ ti.map_index }}/{partition}")
        def read(path: str, mark: str) -> str:
            return read_text(path) + mark

        read.expand(mark=["!", "?"])
    run = runs(dag, key=DAY)
    assert values(root / "out/1" / DAY) == {"one": "a?"}
    assert [run.task("read", index).rendered_map_index for index in (0, 1)] == [DAY, DAY]


def test_what_a_function_returns_for_a_file_is_not_what_the_task_pushes(runs: Runs, root: Path) -> None:
    write(root / "raw", one="a")
    with DAG("mapping", schedule=None) as dag:

        @task.directory_read(source="raw", target="out", codec="json")
        def read(path: str) -> dict[str, str]:
            return {"target": read_text(path)}

        read()  # type: ignore[call-arg]
    run = runs(dag)
    assert run.task("read").xcom_pull(task_ids="read", key="target") is None
    assert run.output("read")["target"] == f"{root}/out"


def transform(value: Any, mark: str) -> Any:
    return value + mark


def test_a_missing_argument_is_noticed_when_the_dag_is_read() -> None:
    stage = task.staged_transform(source="/raw", target="/out")(transform)
    with DAG("missing", schedule=None), pytest.raises(TypeError, match="mark"):
        stage()  # type: ignore[call-arg]


def test_a_value_from_the_dag_is_refused_with_the_way_to_give_it() -> None:
    stage = task.staged_transform(source="/raw", target="/out")(transform)
    with DAG("positional", schedule=None), pytest.raises(TypeError, match="source="):
        stage("value", mark="!")
