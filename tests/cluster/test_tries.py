"""A task whose process is killed, stopped, or wakes up too late, and one that is cleared: what the next try does."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_dirops.core import read_manifest
from demo.cluster import Cluster
from demo.runs import follow, task_log, tasks_of, trigger
from tests.cluster.moments import clear, mark_failed
from tests.text_files import values, write

FILES = 21


@dataclass
class Gated:
    """A run of a stage that waits at its last file.

    :param attempt: the staging area of its first try.
    """

    cluster: Cluster
    run: dict[str, Any]
    target: Path
    gate: Path
    attempt: Path
    process: psutil.Process

    @property
    def log(self) -> str:
        """Of the first try."""
        (task,) = tasks_of(self.cluster, self.run)
        return task_log(self.cluster, task | {"try_number": 1}).read_text()

    @property
    def outcome(self) -> Any:
        """What the last try returned."""
        place = ("dags", self.run["dag_id"], "dagRuns", self.run["dag_run_id"], "taskInstances", "read")
        return self.cluster.api.get(*place, "xcomEntries", "return_value", deserialize=True)["value"]

    def go_on(self) -> dict[str, Any]:
        """Open the gate, wait for the end of the run, and return what its task returned."""
        self.gate.touch()
        follow(self.cluster, [self.run])
        return dict(self.outcome)

    def is_let_go(self) -> bool:
        """Whether the first try is through with its staging area, one way or the other."""
        with (self.attempt / "alive").open() as alive:
            try:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True


@pytest.fixture
def gated(cluster: Cluster, data: Path, tmp_path: Path, dag_id: str) -> Gated:
    write(data / "raw/gated", last="last", **{f"{number:02}": f"text {number}" for number in range(FILES - 1)})
    target = data / "interim/gated" / dag_id
    attempts = target.parent / ".dirops" / target.name / "attempts"
    gate, task_pid = tmp_path / "gate", tmp_path / "pid"
    run = trigger(cluster, dag_id, conf={"gate": str(gate), "task_pid": str(task_pid)})
    cluster.wait("the last file", lambda: task_pid.exists() and any(map(finished_in, attempts.iterdir())))
    (attempt,) = attempts.iterdir()
    return Gated(cluster, run, target, gate, attempt, psutil.Process(int(task_pid.read_text())))


def finished_in(attempt: Path) -> int:
    return (attempt / "journal.jsonl").read_bytes().count(b"\n")


@pytest.mark.parametrize(("dag_id", "processes"), [("killed_1", 1), ("killed_2", 4)])
def test_a_task_that_is_killed_is_continued_by_its_next_try(gated: Gated, processes: int) -> None:
    family = [gated.process, *gated.process.children(recursive=True)]
    assert len(family) == processes  # with two workers, and the one that forks them
    gated.process.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert not gated.target.exists()
    finished = finished_in(gated.attempt)

    outcome = gated.go_on()
    assert outcome["outcome"] == "committed"
    assert (outcome["counts"]["reused"], outcome["counts"]["computed"]) == (finished, FILES - finished)
    assert read_manifest(gated.target).attempt.try_number == 2
    assert len(values(gated.target)) == FILES
    assert not gated.attempt.exists()


@pytest.mark.parametrize("dag_id", ["asleep"])
def test_a_task_that_wakes_up_after_its_successor_commits_nothing(gated: Gated) -> None:
    """As on a machine that was suspended: the scheduler hears nothing of the task, and starts the next try."""
    supervisor = gated.process.parent()
    for process in (supervisor, gated.process):
        process.suspend()
    try:
        gated.go_on()
        committed = read_manifest(gated.target)
        assert committed.attempt.try_number == 2

        gated.process.resume()  # first, so that its supervisor cannot end it before it tries to commit
        gated.cluster.wait("the end of the late try", gated.is_let_go)
    finally:
        supervisor.resume()
    psutil.wait_procs([gated.process], timeout=20)
    assert "try 1 of asleep.read" in gated.log
    assert "no longer owns the target" in gated.log
    assert read_manifest(gated.target) == committed
    assert len(values(gated.target)) == FILES


@pytest.mark.parametrize("dag_id", ["cleared"])
def test_a_success_that_is_cleared_is_computed_again(gated: Gated) -> None:
    first = gated.go_on()
    clear(gated.cluster, gated.run)
    again = gated.go_on()
    assert (again["outcome"], again["counts"]["computed"], again["counts"]["reused"]) == ("committed", FILES, 0)
    assert again["snapshot"] != first["snapshot"]
    assert read_manifest(gated.target).base == first["snapshot"]


@pytest.mark.parametrize("dag_id", ["cleared"])
def test_a_failure_that_is_cleared_is_continued(gated: Gated) -> None:
    mark_failed(gated.cluster, gated.run, "read")
    psutil.wait_procs([gated.process], timeout=20)
    finished = finished_in(gated.attempt)
    clear(gated.cluster, gated.run)
    outcome = gated.go_on()
    assert outcome["outcome"] == "committed"
    assert (outcome["counts"]["reused"], outcome["counts"]["computed"]) == (finished, FILES - finished)
