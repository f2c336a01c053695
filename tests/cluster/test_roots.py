"""A connection is the root of a DAG's paths in a real Airflow, and its test sees what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from demo.cluster import Cluster
from demo.runs import follow, trigger
from tests.text_files import values, write


def connection(path: object) -> dict[str, Any]:
    return {"connection_id": "archive", "conn_type": "dirops_root", "extra": json.dumps({"path": str(path)})}


@pytest.fixture
def archive(cluster: Cluster, tmp_path: Path) -> Path:
    """The path of the connection ``archive``, made as the web UI does."""
    cluster.api.post("connections", body=connection(tmp_path))
    return tmp_path


def test_paths_lie_below_the_root_of_a_connection(cluster: Cluster, archive: Path) -> None:
    write(archive / "raw", one="a")
    follow(cluster, [trigger(cluster, "rooted")])
    assert values(archive / "interim") == {"one": "a"}
    assert values(archive / "final") == {"one": "A"}

    for path, is_usable, told in (
        (archive, True, "can be read and written on this machine"),
        (archive / "nowhere", False, "No such file or directory"),
        ("raw", False, "this connection has the path 'raw', which is relative"),
    ):
        tested = cluster.api.post("connections", "test", body=connection(path))
        assert tested["status"] is is_usable
        assert told in tested["message"]
