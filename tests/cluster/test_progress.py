"""How far a stage is can be seen while it runs; and an api-server that does not answer does not hold it up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dirops.core import read_manifest
from airflow_dirops.runtime.progress import KEY
from demo.rest import ApiError
from demo.runs import Run, follow, trigger
from tests.text_files import write

if TYPE_CHECKING:
    from pathlib import Path

    from demo.cluster import Cluster

FILES = 60


def told(cluster: Cluster, run: Run) -> dict[str, Any]:
    """What the task state store holds of a run's stage; empty if that is nothing yet."""
    task = ("dags", run["dag_id"], "dagRuns", run["dag_run_id"], "taskInstances", "read")
    try:
        return dict(cluster.api.get(*task, "state-store", KEY)["value"])
    except ApiError:
        return {}


def test_how_far_a_stage_is_can_be_seen_while_an_api_server_that_is_asleep_holds_it_up_in_no_way(
    cluster: Cluster, data: Path
) -> None:
    write(data / "raw/told", **{f"{number:02}": f"text {number}" for number in range(FILES)})
    run = trigger(cluster, "told")
    cluster.wait("the first figures", lambda: told(cluster, run))
    running = told(cluster, run)
    assert running["state"] == "running"
    assert 0 < running["done"] < running["total"] == FILES
    assert running["current"].endswith(".txt")

    (attempt,) = (data / "interim/.dirops/told/attempts").iterdir()
    journal = attempt / "journal.jsonl"
    server = cluster.process("api-server")
    family = [server, *server.children(recursive=True)]
    before = journal.read_bytes().count(b"\n")
    for process in family:
        process.suspend()
    try:  # more than two values would have been written meanwhile
        cluster.wait("work without an api-server", lambda: journal.read_bytes().count(b"\n") >= before + 24, 40)
    finally:
        for process in family:
            process.resume()

    follow(cluster, [run])
    ended = told(cluster, run)
    assert (ended["state"], ended["done"], ended["quarantined"]) == ("committed", FILES, 0)
    assert ended["snapshot"] == read_manifest(data / "interim/told").snapshot
    assert "current" not in ended
