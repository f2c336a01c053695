"""What is made of the definitions of options is in the files; and a definition is all that a new option needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.markdown import CHECKOUT
from tools.options import made

DEFINITION = """
    loudness: int = option(
        3,
        Where.WHEN_WRONG,
        "how loudly a stage speaks: a count from ``0`` on",
        is_templated=True,
        is_planned=True,
        form=FormField(title="Loudness", text="For this run.", kind="count"),
    )
"""

EVERY_DOOR = """
import inspect, json
import typer.main
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import DagSerialization
from airflow_dirops import DirectoryReadOperator, StagedTransformOperator, dirops_params
from airflow_dirops.cli.main import app
from airflow_dirops.core import iter_plan, read_directory, transform_directory
from airflow_dirops.core.stage.keywords import StageKeywords
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.runtime.choices import form_choices

for door in (read_directory, transform_directory, iter_plan, DirectoryReadOperator, StagedTransformOperator):
    shown = inspect.signature(door).parameters["loudness"]
    assert (shown.kind, shown.default, shown.annotation) == (shown.KEYWORD_ONLY, 3, "int"), door
assert StageKeywords.__annotations__["loudness"].__forward_arg__ == "int"
assert Stage(source="/raw", target="/out", read=str).loudness == 3
for kind in (DirectoryReadOperator, StagedTransformOperator):
    assert "loudness" in kind.template_fields
    assert ":param loudness: how loudly a stage speaks: a count from ``0`` on." in kind.__doc__

with DAG("doors", schedule=None, default_args={"loudness": 5}, params=dirops_params()) as dag:
    read = DirectoryReadOperator(task_id="read", source="/raw", target="/out", read=str)

    @task.staged_transform(source=read.output, target="/up")
    def up(value):
        return value

    up()
    DirectoryReadOperator.partial(task_id="many", read=str, loudness=7).expand(source=["/a"], target=["/b"])
dag = DagSerialization.from_dict(DagSerialization.to_dict(dag)) and dag
assert [dag.get_task(name).loudness for name in ("read", "up")] == [5, 5]
assert dag.get_task("many").unmap({"source": "/a", "target": "/b"}).loudness == 7
field = dirops_params()["loudness"]
assert (field.value, field.schema["title"], field.schema["minimum"]) == (None, "Loudness", 1)
context = {"params": {"loudness": 9}, "task": read}
assert form_choices(context, {"loudness": read.loudness})["loudness"] == 9
assert form_choices({**context, "params": {}}, {"loudness": read.loudness})["loudness"] == 5
assert "--loudness" in [name for each in typer.main.get_command(app).commands["plan"].params for name in each.opts]
"""

MISTAKES = """
from airflow_dirops import DirectoryReadOperator, StagedTransformOperator
from airflow_dirops.core import read_directory

DirectoryReadOperator(task_id="a", read=str, sorce="raw", target="out")
DirectoryReadOperator(task_id="a", read=str, source="raw", target="out", workers="many")
StagedTransformOperator(task_id="a", source="raw", target="out", join="iner", outlets=[])
read_directory(source="a", target="b", read=str, worker=2)
DirectoryReadOperator(task_id="a", read=str, source="raw", target="out", workers=2, redo="all", retries=3)
"""


def test_a_type_checker_knows_the_arguments(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(MISTAKES)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file=",
        "--no-error-summary",
        f"--cache-dir={tmp_path}",
        str(script),
    ]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if "script.py" in line and ": error: " in line]
    assert len(found) == 4, done.stdout + done.stderr
    for line, about in zip(found, ("source", "workers", "join", "worker"), strict=True):
        assert f'"{about}"' in line


def test_the_files_are_what_make_options_would_write() -> None:
    stale = [str(path.relative_to(CHECKOUT)) for path, text in made().items() if path.read_text() != text]
    assert stale == [], "make options"


def test_a_definition_is_all_that_a_new_option_needs(tmp_path: Path) -> None:
    for folder in ("airflow_dirops", "tools", "docs"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "images"))
    definitions = tmp_path / "airflow_dirops/core/stage/options.py"
    text, end, rest = definitions.read_text().partition("\n\n\nOPTIONS")
    definitions.write_text(text + DEFINITION.rstrip() + end + rest)
    run(tmp_path, "-m", "tools.options")
    before = {path: path.read_text() for path in tmp_path.rglob("*.[pm][yd]")}
    run(tmp_path, "-c", EVERY_DOOR)
    row = "| `loudness` | `3` | how loudly a stage speaks: a count from `0` on. Templated |"
    assert row in (tmp_path / "docs/airflow.md").read_text().splitlines()
    run(tmp_path, "-m", "tools.options")
    assert {path: path.read_text() for path in before} == before
    run(tmp_path, "-m", "ruff", "format", "--check", "--config", str(CHECKOUT / "pyproject.toml"), "airflow_dirops")


def run(place: Path, *command: str) -> None:
    done = subprocess.run([sys.executable, *command], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
