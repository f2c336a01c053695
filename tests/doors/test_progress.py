"""Where a stage is, and what it came to, is in Airflow's task state store; whatever becomes of that store."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator
from airflow_dirops.runtime.progress import KEY
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write

FILES = {f"{number:02}": f"text {number}" for number in range(8)}


def state_of(home: Path) -> dict[str, Any]:
    """What the task state store holds of the stage; ``dag.test()`` keeps one run."""
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        ((value,),) = database.execute("select value from task_state_store where key = ?", (KEY,)).fetchall()
    return dict(json.loads(value))


@pytest.fixture
def home(runs: Runs) -> Path:
    return runs._folder.parent


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits until seconds are over."""
    monkeypatch.setattr("airflow_dirops.core.report.outcome._REPORT_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("airflow_dirops.runtime.progress._WRITE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("airflow_dirops.runtime.progress._PART_OF_THE_TIME", 1e9)


def stage(read: Any = read_text, **more: Any) -> DAG:
    with DAG("told", schedule=None) as dag:
        DirectoryReadOperator(task_id="read", source="raw", target="interim", read=read, codec="text", **more)
    return dag


def test_a_running_stage_says_how_far_it_is_and_in_the_end_what_it_came_to(
    runs: Runs, root: Path, home: Path, often: None
) -> None:
    write(root / "raw", **FILES)
    notes = root / "notes"

    def read(path: str) -> str:
        if Path(path).stem == "05":
            notes.write_text(json.dumps(state_of(home)))
        if Path(path).stem == "02":
            raise ValueError("bad")
        return read_text(path)

    run = runs(stage(read, on_error="quarantine"))
    running = json.loads(notes.read_text())
    assert {name: running[name] for name in ("state", "done", "total", "current", "try_number")} == {
        "state": "running", "done": 5, "total": 8, "current": "04.txt", "try_number": 1,
    }  # fmt: skip
    assert running["per_second"] > 0
    ended = state_of(home)
    assert {name: ended.get(name) for name in ("state", "done", "total", "quarantined", "current", "snapshot")} == {
        "state": "committed", "done": 8, "total": 8, "quarantined": 1, "current": None,
        "snapshot": run.output("read")["snapshot"],
    }  # fmt: skip


def test_a_run_that_finds_nothing_new_says_so_without_figures(runs: Runs, root: Path, home: Path) -> None:
    write(root / "raw", **FILES)
    runs(stage())
    run = runs(stage())
    assert run.output("read")["outcome"] == "unchanged"
    told = state_of(home)
    assert (told["state"], told["snapshot"]) == ("unchanged", run.output("read")["snapshot"])
    assert "done" not in told


def test_a_stage_that_fails_says_so(runs: Runs, root: Path, home: Path) -> None:
    write(root / "raw", **FILES)

    def read(path: str) -> str:
        raise ValueError("bad")

    assert runs(stage(read)).state("read") == "failed"
    assert state_of(home)["state"] == "failed"


class Broken:
    """A state store whose other end is away."""

    def serialize_task_state_store_to_ref(self, **_: Any) -> str:
        raise ConnectionError("nobody is there")


def test_a_store_that_fails_is_told_once_and_hurts_nothing(
    runs: Runs,
    root: Path,
    often: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("airflow.sdk.execution_time.context._get_worker_state_store_backend", Broken)
    write(root / "raw", **FILES)
    assert runs(stage()).output("read")["outcome"] == "committed"
    assert values(root / "interim") == FILES
    said = caplog.text + "".join(capfd.readouterr())
    assert said.count("cannot be shown in Airflow's task state, and the stage goes on: nobody is there") == 1
