"""One real Airflow for all tests in this folder: on SQLite, or with ``DIROPS_DATABASE=postgresql`` on that."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.cluster import Cluster
from tests.celery.servers import need_servers, postgres
from tests.cluster.statsd import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

DAGS = Path(__file__).with_name("dags")
LINEAGE = "lineage.jsonl"
"""Where OpenLineage's events go, in the cluster's home."""
DAG_IDS = (
    "arrivals",
    "asleep",
    "classic",
    "clean",
    "cleared",
    "counted",
    "counts",
    "days",
    "days_awaited",
    "days_started",
    "hours",
    "killed_1",
    "killed_2",
    "months",
    "readings",
    "readings_of_week",
    "report_allow",
    "report_fail",
    "report_wait",
    "relay_raw_uploads_partition",
    "rooted",
    "shapes",
    "sharded_3",
    "sharded_64",
    "sharded_cleared",
    "sharded_conflict",
    "sharded_stopped",
    "shared",
    "sites",
    "slow",
    "totals",
    "told",
    "traced",
    "uncounted",
    "unprintable",
    "uploads",
    "weekly",
    "weeks",
)
# So that a task which is asleep is soon given up, and one that only waits for the CPU is not; and so that tasks which a
# killed scheduler had queued are not left lying for five minutes.
SETTINGS = {
    "core": {"test_connection": "Enabled"},
    "scheduler": {
        "task_instance_heartbeat_timeout": "30",
        "task_instance_heartbeat_timeout_detection_interval": "3",
        "orphaned_tasks_check_interval": "5",
    },
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is slow, and the first test waits for Airflow too."""
    for item in items:
        if DAGS.parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def statsd() -> Iterator[Receiver]:
    """What the cluster sends its metrics to."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="session")
def database() -> Iterator[dict[str, str]]:
    """What Airflow is told of its database; without a word it is SQLite."""
    if (chosen := os.environ.get("DIROPS_DATABASE", "sqlite")) == "sqlite":
        yield {}
        return
    assert chosen == "postgresql", f"DIROPS_DATABASE={chosen!r} is none of: sqlite, postgresql"
    need_servers()
    with postgres() as url:
        yield {"sql_alchemy_conn": url}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, statsd: Receiver, database: dict[str, str]) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("airflow")
    data = tmp_path_factory.mktemp("data")
    metrics = {"statsd_on": "True", "statsd_host": "127.0.0.1", "statsd_port": str(statsd.port)}
    events = {"type": "file", "log_file_path": str(home / LINEAGE), "append": True}
    settings = {
        **SETTINGS,
        "database": database,
        "metrics": metrics,
        "openlineage": {"transport": json.dumps(events)},
    }
    with Cluster(home, dags=DAGS, data=data, settings=settings) as running:
        running.wait_for_dags(DAG_IDS)
        yield running


@pytest.fixture(scope="session")
def data(cluster: Cluster) -> Path:
    return cluster.data
