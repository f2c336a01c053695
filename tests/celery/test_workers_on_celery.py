"""Stages with several processes in real task processes. Celery marks those daemonic: no ``multiprocessing`` there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_dirops.core import read_manifest
from demo.cluster import Cluster
from demo.runs import ENDED, Run, follow, task_log, tasks_of, trigger
from tests.celery.inputs import NUMBERS, QUICK, WAITING, forget
from tests.celery.pids import process_named
from tests.cluster.moments import as_it_is, mark_failed, state
from tests.text_files import values, write


def test_the_snapshot_is_the_same_for_any_number_of_workers(cluster: Cluster, data: Path, executor: str) -> None:
    write(data / "raw/numbers", **NUMBERS)
    follow(cluster, [trigger(cluster, f"shapes_{workers}") for workers in (1, 2)])

    for stage in ("lambda", "closure", "partial"):
        one, two = (data / "interim" / str(workers) / stage for workers in (1, 2))
        assert as_published(one) == as_published(two)
    arrays = {key: array.tolist() for key, array in values(data / "interim/2/partial").items()}
    assert arrays == {key: [int(number) * 2 + 0.5 for number in row.split()] for key, row in NUMBERS.items()}
    for workers in (1, 2):
        processes = values(data / f"interim/{workers}/processes").values()
        assert len({process["id"] for process in processes}) == workers
        assert {process["daemon"] for process in processes} == {executor == "CeleryExecutor"}


def test_a_task_may_give_its_shards_to_a_pool_of_processes(cluster: Cluster, data: Path) -> None:
    write(data / "raw/numbers", **NUMBERS)
    run = trigger(cluster, "pooled")
    follow(cluster, [run])
    assert values(data / "interim/pooled") == NUMBERS
    assert returned(cluster, run)["outcome"] == "committed"


def as_published(target: Path) -> dict[str, bytes]:
    """The entries and their list; the header says when and by whom."""
    files = {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    return {name: content for name, content in files.items() if name != "_dirops/manifest.json"}


def test_a_worker_that_dies_or_hangs_costs_its_file_only(cluster: Cluster, data: Path) -> None:
    write(data / "raw/mishaps", **QUICK | {"quick_10": "dies", "quick_20": "hangs"})
    follow(cluster, [trigger(cluster, "mishaps")])

    assert values(data / "interim/mishaps").keys() == QUICK.keys() - {"quick_10", "quick_20"}
    lines = (data / "interim/mishaps/_dirops/quarantine.jsonl").read_text().splitlines()
    died, hung = [json.loads(line)["message"] for line in lines]
    assert "ended with exit code 3" in died
    assert "2 s" in hung


@pytest.mark.parametrize("workers", [1, 2])
def test_a_function_that_asks_airflow_is_refused(cluster: Cluster, data: Path, workers: int) -> None:
    write(data / "raw/numbers", **NUMBERS)
    run = trigger(cluster, f"asks_{workers}")
    task = end_of(cluster, run)
    assert task["state"] == "failed"
    assert task["try_number"] == 1  # of four: another try would fail in the same way
    assert "AirflowOutOfReach" in task_log(cluster, task).read_text()


@pytest.mark.parametrize("ending", ["stopped", "overdue"])
def test_a_stage_that_has_to_stop_leaves_its_target_as_it_was_and_no_process(
    cluster: Cluster, data: Path, gate: Path, ending: str
) -> None:
    write(data / f"raw/{ending}", **QUICK)
    follow(cluster, [trigger(cluster, ending, conf={"gate": str(gate)})])
    before = as_it_is(data / f"interim/{ending}")

    write(data / f"raw/{ending}", **WAITING)
    run = trigger(cluster, ending, conf={"gate": str(gate)})
    processes = stage_at(gate, cluster)
    if ending == "stopped":
        mark_failed(cluster, run, "read")

    cluster.wait("the stage's end", lambda: none_runs(processes), seconds=20)
    assert end_of(cluster, run)["state"] == "failed"
    assert as_it_is(data / f"interim/{ending}") == before


def test_a_task_process_that_is_killed_leaves_no_worker_and_the_next_try_goes_on(
    cluster: Cluster, data: Path, gate: Path
) -> None:
    forget(data, "killed")
    write(data / "raw/killed", **QUICK, **WAITING)
    run = trigger(cluster, "killed", conf={"gate": str(gate)})
    task_process, *workers = stage_at(gate, cluster)
    cluster.wait("the first finished files", lambda: journaled(data / "interim/.dirops/killed"))
    task_process.kill()

    cluster.wait("the workers' end", lambda: none_runs(workers), seconds=20)
    (gate / "open").touch()
    follow(cluster, [run])
    assert values(data / "interim/killed").keys() == QUICK.keys() | WAITING.keys()
    assert read_manifest(data / "interim/killed").attempt.try_number == 2
    counts = returned(cluster, run)["counts"]
    assert counts["reused"] > 0
    assert counts["reused"] + counts["computed"] == len(QUICK) + len(WAITING)


def stage_at(gate: Path, cluster: Cluster) -> list[psutil.Process]:
    """The processes of a stage with two workers, one of them at the gate: the task's own comes first."""
    cluster.wait("a worker at the gate", lambda: any(gate.iterdir()))
    worker = process_named(next(gate.iterdir()).name)
    _fork_server, task_process, *_ = worker.parents()
    cluster.wait("the other worker", lambda: len(task_process.children(recursive=True)) == 3)
    return [task_process, *task_process.children(recursive=True)]


def none_runs(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def journaled(control: Path) -> bool:
    return any(journal.stat().st_size for journal in control.glob("attempts/*/journal.jsonl"))


def end_of(cluster: Cluster, run: Run) -> dict[str, Any]:
    """The run's only task, when it has ended."""
    cluster.wait("the task's end", lambda: state(cluster, run, "read") in ENDED)
    (task,) = tasks_of(cluster, run)
    return task


def returned(cluster: Cluster, run: Run) -> Any:
    """What the run's only task returned, as XCom has it."""
    path = ("dags", run["dag_id"], "dagRuns", run["dag_run_id"], "taskInstances", "read", "xcomEntries", "return_value")
    return cluster.api.get(*path, deserialize=True)["value"]
