"""A weekly report where a day is missing: it fails, goes on without, or waits in the triggerer for the late day."""

from __future__ import annotations

from pathlib import Path

from airflow_dirops.core import read_directory, read_manifest
from demo.cluster import Cluster
from demo.runs import backfill, follow, task_log, tasks_of, trigger
from tests.cluster.moments import state
from tests.text_files import read_text, values, write

WEEK, NEXT_WEEK = "2026-W43", "2026-W44"
DAYS = [f"2026-10-{day}" for day in range(19, 26)]
LATE = "2026-10-22"


def commit(data: Path, *days: str) -> None:
    for day in days:
        raw, target = data / "raw/for_report" / day, data / "interim/for_report" / day
        write(raw, a=day)
        read_directory(source=raw, target=target, read=read_text, codec="text", stage="for_report")


def keys(*days: str) -> dict[str, str]:
    return {"days": " ".join(f"{day}/a" for day in days)}


def test_a_weekly_report_with_one_day_missing(cluster: Cluster, data: Path) -> None:
    there = [day for day in DAYS if day != LATE]
    commit(data, *there)
    fails, goes_on, waits = (
        trigger(cluster, f"report_{missing}", partition_key=WEEK) for missing in ("fail", "allow", "wait")
    )

    cluster.wait("the refusal", lambda: state(cluster, fails, "report") == "failed")
    (task,) = tasks_of(cluster, fails)
    said = task_log(cluster, task).read_text()
    assert "1 of the 7 partitions" in said
    assert f"no folder '{data}/interim/for_report/{LATE}'" in said
    assert not (data / "final/report_fail" / WEEK).exists()

    follow(cluster, [goes_on])
    assert values(data / "final/report_allow" / WEEK) == keys(*there)
    listed = read_manifest(data / "final/report_allow" / WEEK).partitions
    assert [each.partition for each in listed if each.snapshot is None] == [LATE]

    cluster.wait("the report's deferral", lambda: state(cluster, waits, "report") == "deferred")
    assert not (data / "final/report_wait" / WEEK).exists()
    commit(data, LATE)
    follow(cluster, [waits])
    assert values(data / "final/report_wait" / WEEK) == keys(*DAYS)

    # What was missing has come: a backfill makes that week again, and the next one of the days that are there.
    commit(data, "2026-10-27", "2026-10-30")
    runs = backfill(cluster, "report_allow", (DAYS[0], "2026-10-26"))
    follow(cluster, runs)
    assert sorted(run["partition_key"] for run in runs) == [WEEK, NEXT_WEEK]
    assert values(data / "final/report_allow" / WEEK) == keys(*DAYS)
    assert values(data / "final/report_allow" / NEXT_WEEK) == keys("2026-10-27", "2026-10-30")
