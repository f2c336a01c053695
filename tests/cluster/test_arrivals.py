"""Folders that arrive in a burst, and what commits start: on a real Airflow, parts of which are killed meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow_dirops.core import read_manifest
from demo.cluster import Cluster
from demo.runs import backfill, follow, tasks_of, trigger
from tests.text_files import values, write

HOURS = [f"2026-11-01T{hour:02}" for hour in range(20)]
WEEK = [f"2026-11-{day:02}" for day in range(2, 9)]
RELAY = "relay_raw_uploads_partition"


def upload(folder: Path) -> None:
    write(folder, only=folder.name)
    (folder / "_READY").touch()


def runs_of(cluster: Cluster, dag_id: str) -> list[dict[str, Any]]:
    return list(cluster.api.get("dags", dag_id, "dagRuns", limit=200)["dag_runs"])


def wait_for_keys(cluster: Cluster, dag_id: str, keys: list[str]) -> list[dict[str, Any]]:
    """The DAG's runs once each of these has one."""
    # A scheduler that is killed is taken for dead after half a minute, and its tasks are tried again.
    cluster.wait(
        f"runs of {dag_id}", lambda: {run["partition_key"] for run in runs_of(cluster, dag_id)} >= set(keys), 300
    )
    return runs_of(cluster, dag_id)


def relay_is_at_rest(cluster: Cluster) -> bool:
    return all(run["state"] in ("success", "failed") for run in runs_of(cluster, RELAY))


def test_a_burst_gives_each_folder_one_run_though_triggerer_and_scheduler_are_killed(
    cluster: Cluster, data: Path
) -> None:
    for name in HOURS[:7]:
        upload(data / "raw/uploads" / name)
    write(data / "raw/uploads/2026-11-02T00", only="not ready yet")
    write(data / "raw/uploads/lost+found", only="no hour")
    cluster.restart("triggerer")
    for name in HOURS[7:14]:
        upload(data / "raw/uploads" / name)
    cluster.wait("the relay's first run", lambda: runs_of(cluster, RELAY))
    cluster.restart("scheduler")
    for name in HOURS[14:]:
        upload(data / "raw/uploads" / name)
    cluster.restart("triggerer")
    follow(cluster, wait_for_keys(cluster, "uploads", HOURS))

    cluster.wait("the relay's rest", lambda: relay_is_at_rest(cluster))
    again = trigger(cluster, RELAY)
    follow(cluster, [again])
    assert {task["state"] for task in tasks_of(cluster, again)} == {"skipped"}
    assert sorted(run["partition_key"] for run in runs_of(cluster, "uploads")) == HOURS
    assert all(values(data / "interim/uploads" / name) == {"only": name} for name in HOURS)


def test_a_folder_that_is_made_ready_anew_is_told_anew(cluster: Cluster, data: Path) -> None:
    late, other = HOURS[3], "2026-11-03T05"
    before = [run["partition_key"] for run in runs_of(cluster, "uploads")].count(late)
    write(data / "raw/uploads" / late, more="late")
    (data / "raw/uploads" / late / "_READY").touch()
    upload(data / "raw/uploads" / other)
    wait_for_keys(cluster, "uploads", [other])
    keys = [run["partition_key"] for run in runs_of(cluster, "uploads")]
    cluster.wait("the late one", lambda: [r["partition_key"] for r in runs_of(cluster, "uploads")].count(late) > before)
    assert keys.count(other) == 1
    follow(cluster, runs_of(cluster, "uploads"))
    assert values(data / "interim/uploads" / late)["more"] == "late"


def test_a_chain_of_three_by_assets_and_a_week_that_starts_when_its_days_are_there(
    cluster: Cluster, data: Path
) -> None:
    for number, day in enumerate(WEEK):
        write(data / "raw/counts" / day, one=json.dumps([number, -1, 1]))
    follow(cluster, backfill(cluster, "counts", WEEK[:6]))
    for dag_id in ("clean", "totals"):
        follow(cluster, wait_for_keys(cluster, dag_id, WEEK[:6]))
    assert runs_of(cluster, "weekly") == []

    follow(cluster, backfill(cluster, "counts", WEEK[6:]))
    (weekly,) = wait_for_keys(cluster, "weekly", WEEK[:1])
    follow(cluster, [weekly])
    (report,) = (data / "final/weekly" / WEEK[0]).glob("*.json")
    assert json.loads(report.read_text()) == {f"{day}/one": number + 1 for number, day in enumerate(WEEK)}
    for dag_id in ("clean", "totals"):
        assert sorted(run["partition_key"] for run in runs_of(cluster, dag_id)) == WEEK

    events = cluster.api.get("assets", "events", source_dag_id="totals", limit=100)["asset_events"]
    assert sorted(event["partition_key"] for event in events) == WEEK
    for event in events:
        manifest = read_manifest(data / "final/totals" / event["partition_key"])
        assert event["extra"]["counts"]["entries"] == 1
        assert event["extra"]["digest"] == manifest.lists["files.jsonl"].digest
