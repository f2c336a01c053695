"""What the tests look at and do while a run goes on: a tree as it is, a task's state, a user who loses patience."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo.cluster import Cluster
from demo.runs import tasks_of


def as_it_is(tree: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and folder of a tree: mode, inode and content."""
    found = [tree, *sorted(tree.rglob("*"))]
    return {
        str(path): (path.stat().st_mode, path.stat().st_ino, b"" if path.is_dir() else path.read_bytes())
        for path in found
    }


def state(cluster: Cluster, run: dict[str, Any], task_id: str) -> str | None:
    return next(task["state"] for task in tasks_of(cluster, run) if task["task_id"] == task_id)


def mark_failed(cluster: Cluster, run: dict[str, Any], task_id: str) -> None:
    """As a user does in the web UI."""
    path = ("dags", run["dag_id"], "dagRuns", run["dag_run_id"], "taskInstances", task_id)
    cluster.api.patch(*path, body={"new_state": "failed"})


def clear(cluster: Cluster, run: dict[str, Any]) -> None:
    """As a user does in the web UI, to have a run's tasks run again."""
    what = {"dag_run_id": run["dag_run_id"], "dry_run": False, "only_failed": False, "reset_dag_runs": True}
    cluster.api.post("dags", run["dag_id"], "clearTaskInstances", body=what)
