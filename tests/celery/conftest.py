"""One real Airflow for each of two executors: what holds for Celery must hold for LocalExecutor too.

The one on Celery is the deployment in ``docker/celery``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from demo.cluster import Cluster
from tests.celery.deployment import Deployment, need_containers
from tests.celery.servers import need_servers, postgres

DAGS = Path(__file__).with_name("dags")
DAG_IDS = (
    "shapes_1",
    "shapes_2",
    "asks_1",
    "asks_2",
    "mishaps",
    "stopped",
    "overdue",
    "killed",
    "sharded_64",
    "shared",
)
MARK = "DIROPS_CELERY_TESTS"

WORKERS = {"CeleryExecutor": ("worker-one", "worker-two"), "LocalExecutor": ()}
# So that tasks of a worker that was killed are soon given up.
SCHEDULER = {"task_instance_heartbeat_timeout": "30", "task_instance_heartbeat_timeout_detection_interval": "3"}
# What docker/celery/compose.yaml leaves to Airflow's defaults, made quicker.
QUICKER = {
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    **{f"AIRFLOW__SCHEDULER__{name.upper()}": value for name, value in SCHEDULER.items()},
}


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
    need_containers() if request.param == "CeleryExecutor" else need_servers()
    return str(request.param)


@pytest.fixture(scope="session")
def cluster(executor: str, nothing_left: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home, data = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("data")
    started = deployed if executor == "CeleryExecutor" else local
    with started(home, data) as running:
        running.wait_for_dags(DAG_IDS)
        yield running


@contextmanager
def local(home: Path, data: Path) -> Iterator[Cluster]:
    with postgres() as database:
        settings = {"scheduler": SCHEDULER, "database": {"sql_alchemy_conn": database}}
        with Cluster(home, dags=DAGS, data=data, settings=settings) as running:
            yield running


@contextmanager
def deployed(home: Path, data: Path) -> Iterator[Cluster]:
    dags = shutil.copytree(DAGS, home / "dags")  # links out of the folder lead nowhere in a container
    with Deployment.of(home, dags=dags, data=data, more=QUICKER, mark={MARK: os.environ[MARK]}) as running:
        yield running


@pytest.fixture
def deployment(cluster: Cluster) -> Deployment:
    """For tests of the compose file alone."""
    if not isinstance(cluster, Deployment):
        pytest.skip("only the deployment on Celery is one")
    return cluster


@pytest.fixture
def gate(cluster: Cluster, request: pytest.FixtureRequest) -> Path:
    """A folder where tasks and the test meet: what waits there leaves its name, until there is a file ``open``."""
    folder = cluster.home / "meeting" / re.sub(r"\W", "_", request.node.name)
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="session")
def data(cluster: Cluster) -> Path:
    return cluster.data
