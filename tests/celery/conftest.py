"""One real Airflow on PostgreSQL for each of two executors: what holds for Celery must hold for LocalExecutor too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from demo.cluster import Cluster
from tests.celery.servers import need_servers, postgres, redis

DAGS = Path(__file__).with_name("dags")
DAG_IDS = ("shapes_1", "shapes_2", "asks_1", "asks_2", "mishaps", "stopped", "overdue", "killed", "sharded_64")
MARK = "DIROPS_CELERY_TESTS"

WORKER = ("celery", "worker", "--skip-serve-logs", "--without-gossip", "--without-mingle")
WORKERS = {
    "CeleryExecutor": {
        name: (*WORKER, "--celery-hostname", f"{name}@machine", "--pid", f"{name}.pid") for name in ("one", "two")
    },
    "LocalExecutor": {},
}
# So that tasks of a worker that was killed are soon given up.
SCHEDULER = {"task_instance_heartbeat_timeout": "30", "task_instance_heartbeat_timeout_detection_interval": "3"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is slow, and the first test waits for Airflow too."""
    for item in items:
        if DAGS.parent in item.path.parents:
            item.add_marker(pytest.mark.celery)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def nothing_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every server, component, task and worker has ended after the last test."""
    mark = str(tmp_path_factory.getbasetemp())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK, mark)  # inherited by all that is started from here
        yield
        assert [process.cmdline() for process in psutil.process_iter() if is_marked(process, mark)] == []


def is_marked(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error, OSError):  # gone, or another user's
        return process.environ().get(MARK) == mark
    return False


@pytest.fixture(scope="session", params=WORKERS)
def executor(request: pytest.FixtureRequest) -> str:
    need_servers()
    return str(request.param)


@pytest.fixture(scope="session")
def cluster(executor: str, nothing_left: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home, data = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("data")
    with redis() as broker, postgres() as database:
        settings = {
            "core": {"executor": executor},
            "celery": {"broker_url": broker, "worker_concurrency": "4"},
            "scheduler": SCHEDULER,
            "database": {"sql_alchemy_conn": database},
        }
        with Cluster(home, dags=DAGS, data=data, settings=settings, components=WORKERS[executor]) as running:
            running.wait_for_dags(DAG_IDS)
            yield running


@pytest.fixture(scope="session")
def data(cluster: Cluster) -> Path:
    return cluster.data
