"""Start a DAG's runs with a backfill, follow them to their end, and say what went wrong."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from demo.cluster import Cluster, ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}
LONGEST_SECONDS = 600

Run = dict[str, Any]
Task = dict[str, Any]
"""A DAG run and a task instance, as the REST API describes them."""

_LOG_FOLDERS = (("dag_id", "dag_id"), ("run_id", "dag_run_id"), ("task_id", "task_id"))


def backfill(cluster: Cluster, dag_id: str, days: Sequence[str]) -> list[Run]:
    """Run ``airflow backfill create`` and return one run for each day.

    :param days: the first and the last bound the backfill.
    """
    for old in cluster.api.get("backfills", dag_id=dag_id)["backfills"]:
        if not old["completed_at"]:  # of a demo that was interrupted
            cluster.api.put("backfills", str(old["id"]), "cancel")
    cluster.airflow(*backfill_command(dag_id, days))
    newest = cluster.api.get("dags", dag_id, "dagRuns", run_type="backfill", order_by="-id", limit=len(days))
    return list(newest["dag_runs"])


def trigger(cluster: Cluster, dag_id: str, **run: Any) -> Run:
    """Start one run, as the web UI's form does.

    :param run: what the form says: ``conf``, ``partition_key``.
    """
    return dict(cluster.api.post("dags", dag_id, "dagRuns", body={"logical_date": None, **run}))


def backfill_command(dag_id: str, days: Sequence[str]) -> tuple[str, ...]:
    """The arguments of ``airflow``."""
    bounds = ("--from-date", days[0], "--to-date", days[-1])
    return ("backfill", "create", "--dag-id", dag_id, *bounds, "--reprocess-behavior", "completed")


def follow(cluster: Cluster, runs: Sequence[Run]) -> set[str]:
    """Wait until every run has ended; an error with the end of the task's log if one failed.

    :return: the tasks that were seen waiting in the triggerer, as ``dag.task``.
    """
    tasks: dict[str, list[Task]] = {}
    deferred: set[str] = set()

    def all_ended() -> bool:
        tasks.update((run["dag_run_id"], tasks_of(cluster, run)) for run in runs if not _ended(tasks, run))
        deferred.update(_name(task) for task in _flat(tasks) if task["state"] == "deferred")
        return all(_ended(tasks, run) for run in runs)

    cluster.wait(lambda: _so_far(_flat(tasks)), all_ended, LONGEST_SECONDS)
    if failed := [task for task in _flat(tasks) if task["state"] == "failed"]:
        raise ClusterError("\n".join(_failure(cluster, task) for task in failed))
    return deferred


def tasks_of(cluster: Cluster, run: Run) -> list[Task]:
    """The run's task instances."""
    found = cluster.api.get("dags", run["dag_id"], "dagRuns", run["dag_run_id"], "taskInstances", limit=1000)
    return list(found["task_instances"])


def task_log(cluster: Cluster, task: Task) -> Path:
    """Where the task wrote its log."""
    folders = (f"{name}={task[key]}" for name, key in _LOG_FOLDERS)
    mapped = () if task["map_index"] < 0 else (f"map_index={task['map_index']}",)
    return cluster.task_log("/".join((*folders, *mapped, f"attempt={task['try_number']}.log")))


def _ended(tasks: dict[str, list[Task]], run: Run) -> bool:
    known = tasks.get(run["dag_run_id"], ())
    return bool(known) and all(task["state"] in ENDED for task in known)


def _flat(tasks: dict[str, list[Task]]) -> list[Task]:
    return [task for of_one_run in tasks.values() for task in of_one_run]


def _name(task: Task) -> str:
    return f"{task['dag_id']}.{task['task_id']}"


def _so_far(tasks: Sequence[Task]) -> str:
    states = Counter(task["state"] or "waiting" for task in tasks)
    return f"{len(tasks)} tasks: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def _failure(cluster: Cluster, task: Task) -> str:
    log = task_log(cluster, task)
    return f"{_name(task)} failed in {task['dag_run_id']}. Its log, {log}, ends:\n{_tail(log)}"


def _tail(log: Path, lines: int = 8) -> str:
    """Task logs are JSON, a line for each event; some of them only fold the lines in the web UI."""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    told = [event for event in events if not event.get("event", "").startswith("::")]
    return "\n".join(f"  {event.get('event')} {_errors(event)}".rstrip() for event in told[-lines:])


def _errors(event: dict[str, Any]) -> str:
    return " ".join(f"{error['exc_type']}: {error['exc_value']}" for error in event.get("error_detail") or ())
