"""How far a stage is can be seen while it runs; and an api-server that does not answer does not hold it up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_dirops.core import read_manifest
from airflow_dirops.runtime.progress import KEY
from demo.cluster import ClusterError
from demo.rest import ApiError
from demo.runs import Run, follow, trigger
from tests.text_files import write

if TYPE_CHECKING:
    from pathlib import Path

    from demo.cluster import Cluster
    from tests.cluster.statsd import Receiver

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


def finished(cluster: Cluster, dag_id: str) -> Run:
    """A run that has ended well."""
    run = trigger(cluster, dag_id)
    follow(cluster, [run])
    return run


def test_metrics_say_what_a_stage_came_to(cluster: Cluster, data: Path, statsd: Receiver) -> None:
    write(data / "raw/counted", one="a", two="bc")
    runs = [finished(cluster, "counted") for _ in range(2)]
    task = ("dags", "counted", "dagRuns", runs[0]["dag_run_id"], "taskInstances", "read")
    outcome = cluster.api.get(*task, "xcomEntries", "return_value", deserialize=True)["value"]
    assert outcome["outcome"] == "committed"
    with pytest.raises(ClusterError):
        finished(cluster, "uncounted")
    last = ("dirops.runs.counted.read.unchanged", "dirops.seconds.uncounted.read")
    cluster.wait(
        "the metrics", lambda: all(any(line.startswith(f"airflow.{name}") for line in statsd.lines) for name in last)
    )

    told = statsd.of("counted.read")
    assert {name.removesuffix(".counted.read"): value for name, value in told.items()} == {
        "dirops.runs.counted.read.committed": "1|c",
        "dirops.runs.counted.read.unchanged": "1|c",
        "dirops.seconds": told["dirops.seconds.counted.read"],
        "dirops.computed": f"{outcome['counts']['computed']}|c",
        "dirops.quarantined": "0|c",
        "dirops.files": f"{outcome['counts']['entries']}|g",
        "dirops.bytes": f"{outcome['bytes']}|g",
    }
    assert outcome["bytes"] > 0
    assert set(statsd.of("uncounted.read")) == {"dirops.runs.uncounted.read.failed", "dirops.seconds.uncounted.read"}
    assert "airflow.dirops.runs:1|c" in statsd.lines  # the same with tags, for receivers that know some
