"""``dirops plan``: what a stage would do, from a terminal or for a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import read_directory

READ = """
def read(path):
    with open(path) as file:
        return file.read()

def other(path):
    return "other"

number = 1
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A source and a target that a function of ``functions.py`` made, and what has changed since."""
    (tmp_path / "functions.py").write_text(READ)
    (tmp_path / "raw").mkdir()
    for name in "abc":
        (tmp_path / f"raw/{name}.txt").write_text(name)
    namespace: dict[str, Any] = {}
    exec(compile(READ, tmp_path / "functions.py", "exec"), namespace)
    read_directory(source=tmp_path / "raw", target=tmp_path / "out", read=namespace["read"], codec="text", version="1")
    (tmp_path / "raw/b.txt").unlink()
    (tmp_path / "raw/d.txt").write_text("d")
    return tmp_path


def plan(place: Path, *options: str, source: str = "raw") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "airflow_dirops.cli", "plan", source, "out", *options]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, env=environment)


def parsed(place: Path, *options: str, **changes: str) -> dict[str, Any]:
    return dict(json.loads(plan(place, "--json", *options, **changes).stdout))


def test_a_table_and_a_summary(place: Path) -> None:
    done = plan(place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:4] == ["carried  a.txt", "removed  b.txt", "carried  c.txt", "new      d.txt"]
    assert "2 carried, 1 new, 1 removed" in done.stdout
    assert "not looked at: no --read or --transform" in done.stdout


def test_json(place: Path) -> None:
    found = parsed(place)
    assert found["inputs"][1] == {"reason": "removed", "path": "b.txt"}
    assert found["counts"] == {"carried": 2, "new": 1, "removed": 1}
    assert parsed(place, "--pattern", "*.png")["counts"] == {"removed": 3}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param(["--read", "functions:read", "--version", "1"], "carried", id="the same version"),
        pytest.param(["--read", "functions:other", "--version", "2"], "code", id="another version"),
        pytest.param(["--read", "functions:other"], "code", id="other code"),
        pytest.param(["--read", "functions:read", "--version", "1", "--codec", "json"], "code", id="another codec"),
    ],
)
def test_code_is_compared_where_a_function_is_named(place: Path, options: list[str], reason: str) -> None:
    found = parsed(place, *options)
    assert found["code"] == "compared"
    assert found["inputs"][0] == {"reason": reason, "path": "a.txt"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--read", "functions:nothing"], "has no attribute 'nothing'"),
        (["--read", "nowhere:read"], "No module named 'nowhere'"),
        (["--transform", "functions"], "module:function"),
        (["--read", "functions:number"], "is a int, not a function"),
        (["--version", "1"], "--version stands for the code"),
    ],
)
def test_functions_that_are_none(place: Path, options: list[str], message: str) -> None:
    done = plan(place, *options)
    assert done.returncode == 2
    assert message in done.stderr


def test_an_error_is_one_document(place: Path) -> None:
    assert parsed(place, source="nowhere")["error"] == "SourceMissing"


def test_an_empty_plan_is_a_document_too(place: Path) -> None:
    (place / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "airflow_dirops.cli", "plan", "empty", "fresh", "--json"],
        cwd=place,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["inputs"] == []
    assert not (place / "fresh").exists()
