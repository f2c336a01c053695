"""What ``docker/celery/compose.yaml`` promises: users, rights, logs, health, the page, and a worker that is stopped."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from demo.rest import Api, ApiError
from demo.runs import Run, follow, tasks_of, trigger
from tests.celery.compose import CELERY
from tests.celery.conftest import WORKERS
from tests.celery.deployment import GROUP, USER, Deployment
from tests.celery.inputs import NUMBERS, forget
from tests.celery.pids import process_named
from tests.text_files import values, write

COLLEAGUE = 50001
RUN_AGAIN = """
from airflow_dirops.core import read_directory

def read(path):
    return open(path).read() + "!"

places = {"source": "/data/raw/shared", "target": "/data/interim/shared"}
print(read_directory(**places, read=read, codec="text", stage="shared.read").outcome)
"""


@pytest.fixture
def read(deployment: Deployment, data: Path) -> Run:
    """A run of stages that has ended well."""
    write(data / "raw/numbers", **NUMBERS)
    run = trigger(deployment, "shapes_1")
    follow(deployment, [run])
    return run


def test_each_service_is_healthy_as_its_own_check_says(deployment: Deployment) -> None:
    checked = [name for name, service in deployment.services.items() if service.healthcheck]
    assert sorted(deployment.services) == sorted([*checked, "init"])
    for name in checked:
        deployment.wait(f"{name} healthy", lambda name=name: deployment.is_healthy(name))


def test_a_worker_serves_the_logs_of_its_tasks(deployment: Deployment, read: Run) -> None:
    (task,) = (task for task in tasks_of(deployment, read) if task["task_id"] == "lambda")
    assert task["hostname"] in WORKERS["CeleryExecutor"]
    path = ("dags", "shapes_1", "dagRuns", read["dag_run_id"], "taskInstances", "lambda", "logs", "1")
    said = json.dumps(deployment.api.get(*path))
    assert f"http://{task['hostname']}:8793/log/" in said
    assert "committed" in said


def test_whoever_is_not_logged_in_sees_nothing(deployment: Deployment) -> None:
    with pytest.raises(ApiError, match="401"):
        Api(deployment.url).get("dags")
    with pytest.raises(HTTPError):
        build_opener(ProxyHandler({})).open(f"{deployment.url}/dirops/", timeout=60)


def test_the_page_reads_the_targets_and_cannot_write_there(deployment: Deployment, read: Run) -> None:
    ask = Request(f"{deployment.url}/dirops/", headers=deployment.api.headers)
    with build_opener(ProxyHandler({})).open(ask, timeout=60) as answer:
        assert "shapes_1.lambda" in answer.read().decode()
    refused = deployment.execute("api-server", ["touch", "/data/file"])
    assert "Read-only file system" in refused.stderr


def test_a_colleague_of_the_group_shares_a_target(deployment: Deployment, data: Path) -> None:
    write(data / "raw/shared", one="one", two="two")
    target = data / "interim/shared"
    follow(deployment, [trigger(deployment, "shared")])
    made = target.stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (USER, GROUP, 0o2775)

    again = deployment.execute("worker-one", [sys.executable, "-c", RUN_AGAIN], user=COLLEAGUE, groups=[GROUP])
    assert again.stdout.splitlines()[-1] == "committed", again.stderr
    assert target.stat().st_uid == COLLEAGUE

    write(data / "raw/shared", three="three")
    follow(deployment, [trigger(deployment, "shared")])
    assert values(target) == {"one": "one", "two": "two", "three": "three"}
    assert target.stat().st_uid == USER


def test_init_refuses_a_data_folder_that_nobody_may_write(deployment: Deployment, data: Path) -> None:
    script = str(CELERY / "init.sh")
    folder = {"DATA": "/srv/data", "DATA_GID": "7"}
    refused = deployment.execute(
        "worker-one", ["env", *(f"{k}={v}" for k, v in folder.items()), "bash", script], user=COLLEAGUE, groups=[7]
    )
    assert refused.returncode == 1
    assert "sudo chgrp 7 '/srv/data' && sudo chmod 2775 '/srv/data'" in refused.stderr


def test_a_worker_that_is_stopped_lets_its_task_come_to_its_end(deployment: Deployment, data: Path, gate: Path) -> None:
    forget(data, "killed")
    write(data / "raw/killed", waits_0="waits", quick="quick")
    run = trigger(deployment, "killed", conf={"gate": str(gate)})
    deployment.wait("a process at the gate", lambda: any(gate.iterdir()))
    above = {process.pid for process in process_named(next(gate.iterdir()).name).parents()}
    (name,) = (name for name in WORKERS["CeleryExecutor"] if deployment.process(name).pid in above)
    stopped = deployment.stop(name)
    try:
        deployment.wait("its log", lambda: "Warm shutdown" in (deployment.logs / f"{name}.log").read_text())
        assert stopped.poll() is None
        (gate / "open").touch()
        follow(deployment, [run])
        (task,) = tasks_of(deployment, run)
        assert (task["state"], task["try_number"], task["hostname"]) == ("success", 1, name)
        assert stopped.wait(60) == 0
    finally:
        deployment.start(name)
