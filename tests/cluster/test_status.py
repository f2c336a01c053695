"""What is missing is started through the API of a real Airflow, and then it is there."""

from __future__ import annotations

from pathlib import Path

from airflow_dirops.core import status
from demo.cluster import Cluster
from demo.runs import follow, trigger
from tests.cli.calls import dirops, parsed
from tests.text_files import write

DAYS = ("2026-02-01", "2026-02-02")


def test_just_the_day_that_is_missing_is_run(cluster: Cluster, data: Path) -> None:
    for day in DAYS:
        write(data / "raw/days" / day, word=f"day {day}")
    follow(cluster, [trigger(cluster, "days", partition_key=DAYS[0])])
    url, dates = f"http://127.0.0.1:{cluster.port}", f"{DAYS[0]}..{DAYS[1]}"
    folder = data / "interim/days"
    found = parsed("status", folder, dates, "--backfill", url, cwd=data, NO_PROXY="127.0.0.1")
    (started,) = found["started"]
    assert (started["dag_id"], started["partition"], started["error"]) == ("days", DAYS[1], None)
    follow(cluster, [cluster.api.get("dags", "days", "dagRuns", started["run_id"])])
    assert dirops("status", folder, dates, cwd=data).returncode == 0
    assert {one.dag_id for stage in status(folder).stages for one in stage.partitions if one.snapshot} == {"days"}
