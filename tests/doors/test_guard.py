"""Functions that are called for each file cannot reach Airflow; the task around them can."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doors.airflow_runs import Runs
from tests.text_files import values, write

DAG_FILE = """
from airflow.sdk import DAG, Connection, Variable, get_current_context
from airflow_dirops import DirectoryReadOperator

def variable(path):
    return Variable.get("colour")

def variable_with_default(path):
    return Variable.get("colour", default="none")

def connection(path):
    return Connection.get("database").host

def xcom(path):
    return get_current_context()["ti"].xcom_pull(task_ids="other")

with DAG("reaching", schedule=None):
    DirectoryReadOperator(
        task_id="reach", source="raw", target="interim", read={function}, codec="text", workers={workers}
    )
"""


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("function", ["variable", "variable_with_default", "connection", "xcom"])
def test_a_file_function_that_asks_airflow_fails_with_a_clear_error(
    runs: Runs,
    root: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    function: str,
    workers: int,
) -> None:
    write(root / "raw", one="a", two="b")
    run = runs.file("reaching", DAG_FILE.format(function=function, workers=workers))
    assert run.state("reach") == "failed"
    said = caplog.text + "".join(capfd.readouterr())
    assert "AirflowOutOfReach" in said
    assert "read it in the DAG, once, and pass it to the function" in said
    assert not (root / "interim").exists()


def test_the_task_itself_reaches_airflow_again_afterwards(runs: Runs, root: Path) -> None:
    write(root / "raw", one="a")
    run = runs.file("reaching", DAG_FILE.format(function="lambda path: path[-3:]", workers=2))
    assert run.output("reach")["outcome"] == "committed"
    assert values(root / "interim") == {"one": "txt"}
