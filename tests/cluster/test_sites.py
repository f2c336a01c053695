"""Six sites on a real Airflow: listed as the run starts, one fails alone, and clearing it heals it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_dirops.core import read_manifest
from demo.cluster import Cluster
from demo.runs import Run, Task, task_log, tasks_of, trigger
from tests.text_files import values, write

SITES = ("berlin", "cologne", "dresden", "essen", "freiburg", "hamburg")
BROKEN = "dresden"
DAY = "2026-10-10"


def state_of(cluster: Cluster, run: Run) -> str:
    return str(cluster.api.get("dags", run["dag_id"], "dagRuns", run["dag_run_id"])["state"])


def of_sites(cluster: Cluster, run: Run, task_id: str) -> dict[str, Task]:
    """The instances of a task by what the grid calls them; by their number where it has no name for one."""
    found = [task for task in tasks_of(cluster, run) if task["task_id"] == task_id]
    return {task["rendered_map_index"] or str(task["map_index"]): task for task in found}


def returned(cluster: Cluster, run: Run, task_id: str, map_index: int = -1) -> Any:
    path = ("dags", run["dag_id"], "dagRuns", run["dag_run_id"], "taskInstances", task_id, "xcomEntries")
    return cluster.api.get(*path, "return_value", map_index=map_index)["value"]


def test_one_of_six_sites_fails_alone_and_is_healed_alone(cluster: Cluster, data: Path) -> None:
    for site in SITES:
        write(data / "raw/sites" / site / DAY, press="closed")
    write(data / "raw/sites" / BROKEN / DAY, other="broken")
    run = trigger(cluster, "sites", partition_key=DAY)
    cluster.wait("the run's end", lambda: state_of(cluster, run) in ("success", "failed"), 300)

    labels = {f"{site}, {DAY}": site for site in SITES}
    reads, uppers = of_sites(cluster, run, "each.read"), of_sites(cluster, run, "each.upper")
    assert {labels[label]: task["state"] for label, task in reads.items()} == {
        site: "failed" if site == BROKEN else "success" for site in SITES
    }
    assert {labels[label] for label, task in uppers.items() if task["state"] == "success"} == {*SITES} - {BROKEN}
    assert "this press is broken" in task_log_of(cluster, reads[f"{BROKEN}, {DAY}"])
    made = {site: read_manifest(data / "final/sites" / site / DAY) for site in SITES if site != BROKEN}
    assert {site: manifest.dimensions for site, manifest in made.items()} == {site: {"site": site} for site in made}
    assert returned(cluster, run, "say") == f"day {DAY}"
    (said_ds,) = of_sites(cluster, run, "say_ds").values()
    assert said_ds["state"] == "failed"
    assert "{{ dirops.partition }}, which every run has" in task_log(cluster, said_ds).read_text()

    (data / "raw/sites" / BROKEN / DAY / "other.txt").unlink()
    what = {"dag_run_id": run["dag_run_id"], "dry_run": False, "only_failed": True, "reset_dag_runs": True}
    cluster.api.post("dags", "sites", "clearTaskInstances", body=what)

    def healed() -> bool:
        return [task["state"] for task in of_sites(cluster, run, "each.count").values()] == ["success"] * len(SITES)

    cluster.wait("the healed site", healed, 300)
    assert values(data / "final/sites" / BROKEN / DAY) == {"press": "CLOSED"}
    assert read_manifest(data / "final/sites" / BROKEN / DAY).dimensions == {"site": BROKEN}
    for site, before in made.items():
        assert read_manifest(data / "final/sites" / site / DAY) == before
    tries = {labels[label]: task["try_number"] for label, task in of_sites(cluster, run, "each.read").items()}
    assert tries == {site: 2 if site == BROKEN else 1 for site in SITES}
    counted = [returned(cluster, run, "each.count", index) for index in range(len(SITES))]
    assert counted == [f"{site} {DAY} 1 {site}" for site in SITES]


def task_log_of(cluster: Cluster, task: Task) -> str:
    (log,) = cluster.logs.rglob(
        f"dag_id=sites/run_id={task['dag_run_id']}/task_id={task['task_id']}/map_index={task['map_index']}/attempt=1.log"
    )
    return log.read_text()
