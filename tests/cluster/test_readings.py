"""The recipes for a backfill with holes and for a weekly report, on their own DAGs."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

from airflow_dirops import partitions
from airflow_dirops.core import list_failures, read_manifest
from demo.cluster import Cluster
from demo.runs import ENDED, Run, backfill, follow, tasks_of, trigger
from tests.cluster.moments import state
from tests.text_files import values

DAYS = [(date(2026, 7, 1) + timedelta(days=number)).isoformat() for number in range(12)]
NO_FOLDER, LATE, BROKEN = DAYS[3], DAYS[7], DAYS[5]
WEEK, ITS_DAYS = "2026-W28", DAYS[5:]


def write_readings(data: Path, day: str, text: str = '{"count": 2}') -> None:
    folder = data / "raw/readings" / day
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "one.json").write_text(text)
    (folder / "two.json").write_text('{"count": 1}')


def without_snapshot(data: Path) -> list[str]:
    """As the recipe finds the holes."""
    quarter = partitions(data / "final/readings/{partition}", since=DAYS[0], until=DAYS[-1])
    return [day for day, target in quarter.settle() if not (Path(target) / "_dirops/manifest.json").exists()]


def states(cluster: Cluster, runs: list[Run]) -> dict[str, tuple[str, str]]:
    """Of both tasks by day, once all have ended."""
    found: dict[str, list[dict[str, str]]] = {}

    def ended() -> bool:
        found.update((run["partition_key"], tasks_of(cluster, run)) for run in runs)
        return all(tasks and all(task["state"] in ENDED for task in tasks) for tasks in found.values())

    cluster.wait(lambda: f"{len(runs)} days", ended, seconds=400)
    return {
        day: tuple(task["state"] for task in sorted(tasks, key=lambda each: each["task_id"]))
        for day, tasks in found.items()
    }


def test_a_backfill_with_holes_and_a_report_of_one_of_its_weeks(cluster: Cluster, data: Path) -> None:
    for day in set(DAYS) - {NO_FOLDER, LATE}:
        write_readings(data, day, "{" if day == BROKEN else '{"count": 2}')
    first = states(cluster, backfill(cluster, "readings", DAYS))
    assert Counter(first.values()) == {
        ("success", "success"): 9,
        ("skipped", "skipped"): 2,
        ("failed", "upstream_failed"): 1,
    }
    assert without_snapshot(data) == [NO_FOLDER, BROKEN, LATE]
    failed = list_failures(data / "interim/readings" / BROKEN)
    assert [each.path for each in failed.inputs] == ["one.json"]
    before = {
        day: read_manifest(data / "final/readings" / day).snapshot for day in DAYS if day not in without_snapshot(data)
    }

    waiting = trigger(cluster, "readings_of_week", partition_key=WEEK)
    cluster.wait("the report's deferral", lambda: state(cluster, waiting, "report") == "deferred")

    write_readings(data, BROKEN)
    write_readings(data, LATE)
    again = states(cluster, backfill(cluster, "readings", DAYS))
    assert {day: each for day, each in again.items() if each != ("success", "success")} == {
        NO_FOLDER: ("skipped", "skipped")
    }
    assert without_snapshot(data) == [NO_FOLDER]
    assert before == {day: read_manifest(data / "final/readings" / day).snapshot for day in before}

    follow(cluster, [waiting])
    (made,) = values(data / "final/readings_of_week" / WEEK).values()
    assert made == {f"{day}/total": 3 for day in ITS_DAYS}
