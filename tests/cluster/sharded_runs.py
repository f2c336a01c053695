"""A run of a stage in shards on a real Airflow: what its tasks are at, and what a user does to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from demo.cluster import Cluster
from demo.runs import ENDED, Run, Task, task_log, tasks_of, trigger
from tests.celery.pids import process_named
from tests.text_files import write


@dataclass
class Sharded:
    """A run of a stage in shards.

    :param folder: where its gate is.
    """

    cluster: Cluster
    data: Path
    dag_id: str
    folder: Path
    run: Run

    @classmethod
    def begin(cls, cluster: Cluster, data: Path, dag_id: str, folder: Path, files: int, **said: str) -> Sharded:
        """Start it, with so many files; with none, over those that are there."""
        folder.mkdir(exist_ok=True)
        if files:
            write(data / "raw" / dag_id, **{f"{number:03}": f"text {number}" for number in range(files)})
        conf = {**{name: str(folder / name) for name in ("gate", "task_pid", "mended")}, **said}
        return cls(cluster, data, dag_id, folder, trigger(cluster, dag_id, conf=conf))

    @property
    def target(self) -> Path:
        return self.data / "interim" / self.dag_id

    def task(self, name: str, map_index: int = -1) -> Task:
        return next(
            task
            for task in tasks_of(self.cluster, self.run)
            if (task["task_id"], task["map_index"]) == (f"copy.{name}", map_index)
        )

    def states(self, name: str = "shard") -> list[str | None]:
        found = [task for task in tasks_of(self.cluster, self.run) if task["task_id"] == f"copy.{name}"]
        return [task["state"] for task in sorted(found, key=lambda task: int(task["map_index"]))]

    def log(self, name: str, map_index: int = -1) -> str:
        """Of the last try."""
        task = self.task(name, map_index)
        return task_log(self.cluster, task).read_text()

    def wait(self, what: str = "the run's end") -> None:
        """Wait until the run has ended, and with it all that was cleared."""

        def ended() -> bool:
            run = self.cluster.api.get("dags", self.dag_id, "dagRuns", self.run["dag_run_id"])
            states = {task["state"] for task in tasks_of(self.cluster, self.run)}
            return run["state"] in ("success", "failed") and states <= ENDED

        self.cluster.wait(what, ended, 400)

    def wait_for(self, state: str, name: str, map_index: int = -1) -> None:
        """Wait until a task is in a state."""
        self.cluster.wait(f"{name} {map_index} {state}", lambda: self.task(name, map_index)["state"] == state, 400)

    def process(self) -> psutil.Process:
        """Of the task that waits at the gate."""
        pid = self.folder / "task_pid"
        self.cluster.wait("the gated file", lambda: pid.exists() and pid.read_text(), 400)
        return process_named(pid.read_text())

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    def clear(self, *names: str | tuple[str, int], downstream: bool = False) -> None:
        """As a user does in the web UI."""
        ids = [f"copy.{name}" if isinstance(name, str) else [f"copy.{name[0]}", name[1]] for name in names]
        self.cluster.api.post(
            "dags",
            self.dag_id,
            "clearTaskInstances",
            body={
                "dag_run_id": self.run["dag_run_id"],
                "dry_run": False,
                "only_failed": False,
                "reset_dag_runs": True,
                "include_downstream": downstream,
                "task_ids": ids,
            },
        )

    def mark(self, state: str, name: str, map_index: int) -> None:
        """As a user does in the web UI."""
        path = ("dags", self.dag_id, "dagRuns", self.run["dag_run_id"], "taskInstances", f"copy.{name}")
        self.cluster.api.patch(*path, str(map_index), body={"new_state": state})

    def outcome(self) -> dict[str, Any]:
        path = ("dags", self.dag_id, "dagRuns", self.run["dag_run_id"], "taskInstances", "copy.commit", "xcomEntries")
        return dict(self.cluster.api.get(*path, "return_value", deserialize=True)["value"])

    def events(self) -> int:
        found = self.cluster.api.get("assets", "events", source_dag_id=self.dag_id, source_task_id="copy.commit")
        return int(found["total_entries"])
