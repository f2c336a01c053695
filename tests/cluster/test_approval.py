"""The example with a person in it, on a real Airflow: asked through the API, and answered both ways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from airflow_dirops.core import list_held, list_rejections, read_manifest
from demo.cluster import Cluster
from demo.runs import Run, tasks_of, trigger

EXAMPLES = Path(__file__).parents[2] / "dags"
DAYS = ("2026-11-01", "2026-11-02")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home, data = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("data")
    with Cluster(home, dags=EXAMPLES, data=data) as running:
        running.wait_for_dags(["example_approval"])
        yield running


def states(cluster: Cluster, run: Run) -> dict[str, Any]:
    return {task["task_id"]: task["state"] for task in tasks_of(cluster, run)}


def asked(cluster: Cluster, run: Run) -> dict[str, Any]:
    path = ("dags", run["dag_id"], "dagRuns", run["dag_run_id"], "taskInstances", "ask", "-1", "hitlDetails")
    return cluster.api.get(*path)


def answer(cluster: Cluster, run: Run, option: str, reason: str) -> None:
    path = ("dags", run["dag_id"], "dagRuns", run["dag_run_id"], "taskInstances", "ask", "-1", "hitlDetails")
    cluster.api.patch(*path, body={"chosen_options": [option], "params_input": {"reason": reason}})


def start(cluster: Cluster, day: str) -> Run:
    folder = cluster.data / "raw/images" / day
    folder.mkdir(parents=True)
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    run = trigger(cluster, "example_approval", partition_key=day)
    cluster.wait("somebody to be asked", lambda: states(cluster, run)["ask"] in ("awaiting_input", "deferred"), 240)
    cluster.wait("the process that asked to be over", lambda: has_ended(cluster, "ask", run))
    return run


def has_ended(cluster: Cluster, task_id: str, run: Run) -> bool:
    """Whether the scheduler knows. Airflow fails a task that is answered before that, as no person could."""
    told = f"task_id='{task_id}', run_id='{run['dag_run_id']}'"
    lines = (cluster.logs / "scheduler.log").read_text(errors="replace").splitlines()
    return any("Received executor event" in line and told in line for line in lines)


def end(cluster: Cluster, run: Run) -> dict[str, Any]:
    def is_over() -> bool:
        state = cluster.api.get("dags", run["dag_id"], "dagRuns", run["dag_run_id"])["state"]
        return state in ("success", "failed")

    cluster.wait("the run's end", is_over, 240)
    return states(cluster, run)


def test_what_a_person_publishes_is_seen_and_told_of_once(examples: Cluster) -> None:
    run = start(examples, DAYS[0])
    target = examples.data / "interim/approved" / DAYS[0]
    assert not target.exists()
    (held,) = list_held(target)
    body = asked(examples, run)["body"]
    for page in ("sheet", "diff"):
        assert f"/dirops/{page}?" in body
    assert body.count(f"snapshot={held.manifest.snapshot}") == 2

    answer(examples, run, "Publish", "they are sharp")
    assert set(end(examples, run).values()) == {"success"}
    who = read_manifest(target).upkeep
    assert who is not None
    assert (who.action, who.reason) == ("publish", "they are sharp")
    assert read_manifest(target).snapshot == held.manifest.snapshot
    assert read_manifest(examples.data / "final/approved" / DAYS[0]).counts.entries == 3
    events = examples.api.get("assets", "events", source_dag_id="example_approval")["asset_events"]
    (event,) = [each for each in events if each["source_run_id"] == run["dag_run_id"]]
    assert (event["source_task_id"], event["partition_key"]) == ("publish", DAYS[0])
    assert (event["extra"]["snapshot"], event["extra"]["counts"]["entries"]) == (held.manifest.snapshot, 3)


def test_what_a_person_rejects_is_not_seen_and_says_why(examples: Cluster) -> None:
    run = start(examples, DAYS[1])
    answer(examples, run, "Reject", "they are blurred")
    found = end(examples, run)
    assert (found["to_numpy"], found["publish"], found["red_channel"]) == ("success", "skipped", "skipped")
    target = examples.data / "interim/approved" / DAYS[1]
    assert not target.exists()
    assert list_held(target) == []
    (rejected,) = list_rejections(target)
    assert rejected.reason == "they are blurred"
    assert rejected.user != ""
