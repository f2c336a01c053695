"""A stage of many tasks: the same stage as without shards, for whoever wrote the DAG and for whoever comes after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, task

from airflow_dirops import DirectoryReadOperator
from airflow_dirops.core.errors import ArgumentRefused
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write


def upper(text: str) -> str:
    return text.upper()


@pytest.fixture
def raw(root: Path) -> Path:
    write(root / "raw", **{f"note_{number:02}": f"text {number}" for number in range(12)})
    return root


def sharded(shards: Any = 3, **more: Any) -> Any:
    given = {"task_id": "copy", "source": "raw", "target": "interim", "read": read_text, "codec": "text", **more}
    return DirectoryReadOperator.sharded(shards, **given)


def test_a_chain_of_sharded_stages(runs: Runs, raw: Path) -> None:
    with DAG("chain", schedule=None, default_args={"outlets": [Asset("everything")]}) as dag:
        copied = sharded(outlets=[Asset("copied")])

        @task.staged_transform(source=copied.output, target="final", codec="text", shards=2)
        def louder(text: str, mark: str) -> str:
            return text.upper() + mark

        louder(mark="!")
    run = runs(dag)
    assert set(run.states.values()) == {"success"}
    assert values(raw / "final") == {f"note_{number:02}": f"TEXT {number}!" for number in range(12)}
    ((key, extra),) = run.events("copy.commit")
    assert (key, extra["outcome"], extra["counts"]["entries"]) == (None, "committed", 12)
    assert run.events("copy.plan") == run.events("copy.shard") == []
    assert [run.task("copy.shard", number).rendered_map_index for number in range(2)] == [
        "shard 0: note_00.txt … note_03.txt",
        "shard 1: note_04.txt … note_07.txt",
    ]
    assert run.output("louder.commit")["counts"]["entries"] == 12


@pytest.mark.parametrize("shards", [0, -1, 257, "64", True, 2.0, None])
def test_what_is_no_number_of_shards_is_refused_when_the_dag_is_read(root: Path, shards: Any) -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match=r"task 'copy': .* no count from 1 to 256"):
        sharded(shards)
