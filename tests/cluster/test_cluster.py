"""What only a real Airflow shows: its processes, its schedules, its signals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_dirops.core import read_manifest
from demo.cluster import Cluster
from demo.runs import backfill, follow, task_log, tasks_of, trigger
from tests.cluster.moments import as_it_is, mark_failed, state
from tests.text_files import values, write

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")
OTHER_DAY = "2026-10-07"


def test_dag_files_import_and_the_provider_is_known(cluster: Cluster) -> None:
    assert "No data found" in cluster.airflow("dags", "list-import-errors")
    assert "airflow-dirops" in cluster.airflow("providers", "get", "airflow-dirops")


def test_functions_of_every_shape_run_in_task_processes(cluster: Cluster, data: Path) -> None:
    write(data / "raw/words", one="alpha", two="beta")
    follow(cluster, [trigger(cluster, "shapes")])
    for shape in ("function", "lambda", "closure", "partial", "callable", "method"):
        assert values(data / "interim/shapes" / shape) == {"one": "ALPHA!", "two": "BETA!"}
        assert values(data / "final/shapes" / shape) == {"one": "ALPHA!!", "two": "BETA!!"}


def test_a_backfill_runs_every_dated_folder_and_its_asset_starts_the_next_dag(cluster: Cluster, data: Path) -> None:
    for day in DAYS:
        write(data / "raw/days" / day, date=f"day {day}", word="noon")
    runs = backfill(cluster, "days", DAYS)
    follow(cluster, runs)
    assert sorted(run["partition_key"] for run in runs) == list(DAYS)

    started = runs_for(cluster, "days_started", DAYS)
    follow(cluster, started)
    for day in DAYS:
        assert read_manifest(data / "interim/days" / day).partition == day
        assert values(data / "final/reversed" / day) == {"date": f"DAY {day}"[::-1], "word": "NOON"}


def runs_for(cluster: Cluster, dag_id: str, days: tuple[str, ...]) -> list[dict[str, Any]]:
    """The DAG's runs once there is one for each of these days."""
    found: list[dict[str, Any]] = []

    def all_there() -> bool:
        found[:] = cluster.api.get("dags", dag_id, "dagRuns", limit=100)["dag_runs"]
        return {run["partition_key"] for run in found} >= set(days)

    cluster.wait(f"runs of {dag_id}", all_there)
    return [run for run in found if run["partition_key"] in days]


@pytest.mark.parametrize(
    ("dag_id", "bounds", "names"),
    [
        pytest.param(
            "hours",
            ("2026-10-25T01:00", "2026-10-25T03:00"),
            ("2026/10/25/01+0200", "2026/10/25/02+0200", "2026/10/25/02+0100", "2026/10/25/03+0100"),
            id="a night in which the clocks are put back",
        ),
        pytest.param("weeks", ("2026-10-19", "2026-10-26"), ("2026-W43", "2026-W44"), id="weeks"),
        pytest.param("months", ("2026-09-01", "2026-10-31"), ("2026/09", "2026/10"), id="months"),
    ],
)
def test_a_backfill_of_hours_weeks_or_months_runs_each_once(
    cluster: Cluster, data: Path, dag_id: str, bounds: tuple[str, str], names: tuple[str, ...]
) -> None:
    for name in names:
        write(data / "raw" / dag_id / name, only=name)
    runs = backfill(cluster, dag_id, (bounds[0], *names[2:], bounds[1]))
    follow(cluster, runs)
    assert sorted(run["partition_key"] for run in runs) == sorted(names)
    for name in names:
        assert values(data / "interim" / dag_id / name) == {"only": name}
        assert read_manifest(data / "interim" / dag_id / name).partition == name
    follow(cluster, [trigger(cluster, dag_id, conf={"partition": names[0]})])  # by hand, through the form


def test_a_dag_on_a_classic_schedule_takes_the_day_from_the_trigger_form(cluster: Cluster, data: Path) -> None:
    write(data / "raw/days" / OTHER_DAY, only="this day")
    form = {"partition": OTHER_DAY, "redo": None, "on_error": None}
    follow(cluster, [trigger(cluster, "classic", conf=form)])
    assert values(data / "interim/classic" / OTHER_DAY) == {"only": "this day"}
    assert read_manifest(data / "interim/classic" / OTHER_DAY).partition == OTHER_DAY


def test_a_sensor_waits_in_the_triggerer_for_a_stage_of_another_dag(cluster: Cluster, data: Path) -> None:
    day = "2026-10-08"
    waiting = trigger(cluster, "days_awaited", partition_key=day)
    cluster.wait("the sensor's deferral", lambda: state(cluster, waiting, "wait") == "deferred")

    write(data / "raw/days" / day, one="a", two="bc")
    follow(cluster, [trigger(cluster, "days", partition_key=day), waiting])
    assert values(data / "final/length" / day) == {"one": 1, "two": 2}
    read_from = read_manifest(data / "final/length" / day).source
    assert read_from.snapshot == read_manifest(data / "interim/days" / day).snapshot


def test_a_sensor_waits_in_the_triggerer_for_an_uploader_s_marker(cluster: Cluster, data: Path) -> None:
    day, raw = "2026-10-09", data / "raw/arrivals/2026-10-09"
    waiting = trigger(cluster, "arrivals", partition_key=day)
    cluster.wait("the sensor's deferral", lambda: state(cluster, waiting, "arrived") == "deferred")

    write(raw, one="a", two="bc")
    (raw / "_READY").touch()
    follow(cluster, [waiting])
    assert values(data / "interim/arrivals" / day) == {"one": "a", "two": "bc"}


def test_a_task_that_is_marked_failed_stops_and_leaves_its_target_as_it_was(
    cluster: Cluster, data: Path, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    write(data / "raw/slow", **{f"quick_{number}": "quick" for number in range(5)})
    follow(cluster, [trigger(cluster, "slow", conf={"pid_file": str(pid_file)})])
    before = as_it_is(data / "interim/slow")

    write(data / "raw/slow", **{f"slow_{number:03}": "slow" for number in range(300)})
    run = trigger(cluster, "slow", conf={"pid_file": str(pid_file)})
    cluster.wait("the first slow file", pid_file.exists)
    process = psutil.Process(int(pid_file.read_text()))
    mark_failed(cluster, run, "read")

    cluster.wait("the task's end", lambda: not process.is_running(), seconds=20)
    (task,) = tasks_of(cluster, run)
    assert task["state"] == "failed"
    assert "was asked to stop" in task_log(cluster, task).read_text()
    assert as_it_is(data / "interim/slow") == before
    assert len(values(data / "interim/slow")) == 5


def test_a_failure_over_a_name_that_is_not_utf8_is_in_the_tasks_log(cluster: Cluster, data: Path) -> None:
    write(data / "raw/latin")
    with open(bytes(data / "raw/latin") + b"/caf\xe9.txt", "w") as file:
        file.write("x")
    run = trigger(cluster, "unprintable")
    ended = ("failed", "success")
    cluster.wait("the tasks' end", lambda: all(task["state"] in ended for task in tasks_of(cluster, run)))
    for task in tasks_of(cluster, run):
        assert task["state"] == "failed"
        said = [json.loads(line) for line in task_log(cluster, task).read_text().splitlines()]
        (error,) = (line for line in said if "error_detail" in line or "exception" in line)
        chain = error.get("error_detail") or error["exception"]
        assert "RecordFailed" in chain[0]["exc_type"]
        assert "caf\\udce9.txt" in chain[0]["exc_value"]
        assert len(chain) > 1
