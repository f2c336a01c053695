"""A project of an author's own: its conftest.py asks for the plugin, its tests run a DAG of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASKS = 'pytest_plugins = ["airflow_dirops.testing.plugin"]\n'
DAG = """
from airflow.sdk import DAG
from airflow_dirops import DirectoryReadOperator, StagedTransformOperator

def upper(path):
    return open(path).read().upper()

with DAG("upper", schedule=None):
    read = DirectoryReadOperator(
        task_id="read", source="raw/{partition}", target="interim/{partition}", read=upper, codec="text"
    )
    StagedTransformOperator(
        task_id="length",
        source=read.output,
        target="final/{partition}",
        transform=lambda text: 1 / len(text),
        codec="json",
    )
with DAG("other", schedule=None):
    pass
"""
BROKEN = "from airflow.sdk import DAG\n1 / 0\n"
TESTS = """
import os
import pytest
from airflow_dirops.core import errors

def test_the_settings_of_the_machine_are_not_used(dags):
    from airflow.sdk.configuration import conf
    assert os.environ["AIRFLOW_HOME"] != "/somebody/else"
    assert conf.get("dirops", "root") == str(dags.root)

def test_a_dag(dags):
    dags.write("raw/north", {"a.txt": "four"})
    dag = dags.load("upper.py", "upper")
    run = dags.run(dag, partition="2026-11-01")
    assert run.states == {"read": "failed", "length": "upstream_failed"}
    assert isinstance(run.errors["read"], errors.SourceMissing)
    with pytest.raises(errors.ArgumentRefused, match="'read' ended as failed and made nothing: .*raw/2026-11-01"):
        run.stage("read")
    with pytest.raises(errors.ArgumentRefused, match="no task 'reed'.*: length, read"):
        run.stage("reed")

    dags.write("raw/2026-11-01", {"a.txt": "four", "b.txt": ""})
    run = dags.run(dag, partition="2026-11-01")
    assert run.states == {"read": "success", "length": "failed"}
    assert run.stage("read").values == {"a": "FOUR", "b": ""}
    assert "ZeroDivisionError" in str(run.errors["length"])

@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda dags: dags.load("upper.py"), "2 DAGs, and dag_id= says which: other, upper"),
        (lambda dags: dags.load("upper.py", "lower"), "no DAG 'lower': other, upper"),
        (lambda dags: dags.load("nothing.py"), "there is no DAG file"),
        (lambda dags: dags.load("empty.py"), "no DAG in it"),
        (lambda dags: dags.load("broken.py"), "cannot be imported.*ZeroDivisionError"),
        (lambda dags: dags.write("../raw", {}), "leads out of the root"),
    ],
)
def test_bad_use(dags, call, message):
    with pytest.raises(errors.ArgumentRefused, match=f"(?s){message}"):
        call(dags)

def test_stages(stages):
    assert stages.transform({"a": "x"}, str.upper, codec="text").values == {"a": "X"}
"""


def run_pytest(folder: Path, conftest: str, *chosen: str) -> subprocess.CompletedProcess[str]:
    for name, text in {
        "conftest.py": conftest,
        "upper.py": DAG,
        "broken.py": BROKEN,
        "empty.py": "",
        "test_it.py": TESTS,
    }.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(folder), "test_it.py", *chosen]
    environment = os.environ | {"AIRFLOW_HOME": "/somebody/else", "AIRFLOW__DIROPS__ROOT": "/somebody/else"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> str:
    """Where the database is that this test run has made already: it takes half a minute on a busy machine."""
    return f"cache_dir={request.config.cache.mkdir('x').parents[1]}"


def test_a_project_that_asks_for_the_plugin(tmp_path: Path, kept: str) -> None:
    done = run_pytest(tmp_path, ASKS, "-o", kept)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 passed" in done.stdout


def test_a_project_that_does_not_ask_has_no_such_fixtures(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "")
    assert "fixture 'dags' not found" in done.stdout
    assert "fixture 'stages' not found" in done.stdout


def test_airflow_that_has_read_its_settings_before_is_refused(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, f"import airflow.configuration\n{ASKS}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "is imported already" in done.stderr
    assert 'pytest_plugins = ["airflow_dirops.testing.plugin"] the first line' in done.stderr
