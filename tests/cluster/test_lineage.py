"""What OpenLineage hears of two stages in a real Airflow: directories, how much was in them, and which snapshots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]

from airflow_dirops.core import read_manifest
from demo.runs import follow, trigger
from tests import needs
from tests.cluster.conftest import LINEAGE
from tests.text_files import write

if TYPE_CHECKING:
    from demo.cluster import Cluster

SCHEMA = Path(__file__).parents[2] / "docs/facets/dirops-snapshot-1.json"


def complete_events(cluster: Cluster, run_id: str) -> dict[str, dict[str, Any]]:
    """The events with which the tasks of a run ended, by the task's id."""
    file = cluster.home / LINEAGE
    events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {
        event["job"]["name"].rpartition(".")[2]: event
        for event in events
        if event["eventType"] == "COMPLETE"
        and "airflow" in event["run"]["facets"]
        and event["run"]["facets"]["airflow"].get("dagRun", {}).get("run_id") == run_id
        and event["job"]["name"].startswith("traced.")
    }


def snapshot_of(dataset: dict[str, Any]) -> dict[str, Any]:
    """A dataset's facet of ours, if it is as its schema says."""
    facet: dict[str, Any] = dataset["facets"]["dirops_snapshot"]
    jsonschema.validate(facet, json.loads(SCHEMA.read_text()))
    assert dataset["facets"]["version"]["datasetVersion"] == facet["snapshot"]
    return facet


def test_openlineage_hears_which_snapshot_came_of_which(cluster: Cluster, data: Path) -> None:
    needs.packages("lineage", "openlineage")
    write(data / "raw/traced", one="a", two="bc")
    run = trigger(cluster, "traced")
    follow(cluster, [run])
    cluster.wait("the events", lambda: len(complete_events(cluster, run["dag_run_id"])) == 2)
    events = complete_events(cluster, run["dag_run_id"])
    interim, final = (read_manifest(data / name / "traced") for name in ("interim", "final"))

    (raw,), (written,) = events["read"]["inputs"], events["read"]["outputs"]
    assert (raw["namespace"], raw["name"]) == ("file", str(data / "raw/traced"))
    assert raw["inputFacets"]["inputStatistics"]["fileCount"] == 2
    assert "dirops_snapshot" not in raw.get("facets", {})
    assert (written["namespace"], written["name"]) == ("file", str(data / "interim/traced"))
    statistics = written["outputFacets"]["outputStatistics"]
    assert (statistics["fileCount"], statistics["size"]) == (2, interim.bytes)
    assert snapshot_of(written)["fingerprint"] == interim.function.fingerprint

    (read,), (last,) = events["upper"]["inputs"], events["upper"]["outputs"]
    assert read["name"] == written["name"]
    assert read["inputFacets"]["inputStatistics"]["size"] == interim.bytes
    assert snapshot_of(read)["snapshot"] == snapshot_of(written)["snapshot"] == interim.snapshot
    assert (last["name"], snapshot_of(last)["snapshot"]) == (str(data / "final/traced"), final.snapshot)
