"""Options from ``default_args``, ``.partial()`` and the trigger form, in task processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_dirops.core import read_manifest
from demo.cluster import Cluster
from demo.runs import follow, tasks_of, trigger
from tests.text_files import values, write

DAY = "2026-10-11"


def test_options_reach_mapped_stages_and_decorated_functions(cluster: Cluster, data: Path) -> None:
    for site in ("north", "south"):
        write(data / "raw/shared" / site / DAY, one=site, bad="x")
    follow(cluster, [first := trigger(cluster, "shared", partition_key=DAY)])
    for site in ("north", "south"):
        made = read_manifest(data / "interim/shared" / site / DAY)
        assert (made.codec.name, made.counts.quarantined) == ("text", 1)
    assert [values(data / "final/shared" / str(index) / DAY) for index in (0, 1)] == [
        {"one": "NORTH!"},
        {"one": "NORTH?"},
    ]
    assert {task["rendered_map_index"] for task in tasks_of(cluster, first)} == {DAY}

    def outcomes(**form: Any) -> list[str]:
        follow(cluster, [run := trigger(cluster, "shared", partition_key=DAY, conf=form)])
        asked = [task for task in tasks_of(cluster, run) if task["task_id"] == "texts"]
        return [
            cluster.api.get(
                *(
                    "dags",
                    "shared",
                    "dagRuns",
                    run["dag_run_id"],
                    "taskInstances",
                    "texts",
                    "xcomEntries",
                    "return_value",
                ),
                map_index=task["map_index"],
                deserialize=True,
            )["value"]["outcome"]
            for task in asked
        ]

    assert outcomes() == ["unchanged", "unchanged"]
    assert outcomes(redo="all") == ["committed", "committed"]
