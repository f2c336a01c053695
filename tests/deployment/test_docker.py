"""The files in ``docker/``: what can be known of them without an engine. ``tests/celery`` starts what they describe."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import needs
from tests.celery.compose import CELERY, rendered
from tests.docs.markdown import CHECKOUT, Page

DOCKER = CHECKOUT / "docker"
REQUIRED = ("ADMIN_PASSWORD", "DATA", "FERNET_KEY", "JWT_SECRET", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY")
SERVERS = {"postgres", "redis"}


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    """A copy of the folder, with the ``.env`` that the README's commands make."""
    folder = shutil.copytree(CELERY, tmp_path / "checkout/docker/celery")
    commands = next(snippet.text for snippet in Page(CELERY / "README.md").snippets if snippet.language == "sh")
    subprocess.run(["sh", "-euc", commands], cwd=tmp_path / "checkout", check=True)
    return Path(folder)


def described() -> dict[str, Any]:
    return dict(yaml.safe_load((CELERY / "compose.yaml").read_text())["services"])


def of_airflow() -> dict[str, Any]:
    return {name: said for name, said in described().items() if name not in SERVERS}


def test_compose_takes_what_the_readmes_commands_make(deployment: Path) -> None:
    done = rendered(deployment / "compose.yaml", deployment / ".env")
    assert (done.returncode, done.stderr) == (0, "")
    secrets = re.findall(r"^(?:\w+_KEY|\w+_SECRET|\w+_PASSWORD)=(.+)$", (deployment / ".env").read_text(), re.MULTILINE)
    assert len({*secrets}) == len(secrets) == 6
    assert (deployment / ".env").stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("name", REQUIRED)
def test_what_must_be_set_is_asked_for_by_name(deployment: Path, name: str) -> None:
    settings = deployment / ".env"
    settings.write_text(re.sub(rf"^{name}=.*\n", "", settings.read_text(), flags=re.MULTILINE))
    done = rendered(deployment / "compose.yaml", settings)
    assert done.returncode != 0
    assert name in done.stderr or "is missing in .env" in done.stderr


def test_the_single_container_is_what_compose_takes(tmp_path: Path) -> None:
    settings = tmp_path / "env"
    settings.write_text("DATA=/srv/data\n")
    assert rendered(DOCKER / "compose.yaml", settings).returncode == 0


def test_the_example_names_what_the_compose_file_reads() -> None:
    read = set(re.findall(r"\$\{(\w+)", (CELERY / "compose.yaml").read_text()))
    named = set(re.findall(r"^(\w+)=", (CELERY / ".env.example").read_text(), re.MULTILINE))
    assert read == named


def test_all_of_airflow_has_the_same_settings() -> None:
    of_their_own = {"DUMB_INIT_SETSID", "ADMIN_PASSWORD", "DATA", "DATA_GID"}
    settings = [
        {name: value for name, value in said["environment"].items() if name not in of_their_own}
        for said in of_airflow().values()
    ]
    assert all(each == settings[0] for each in settings)


def test_all_of_airflow_sees_the_data_at_the_root_and_no_one_else_does() -> None:
    for name, said in described().items():
        mounted = [volume for volume in said["volumes"] if volume.partition("}:")[0].startswith("${DATA")]
        if name in SERVERS:
            assert not mounted
        else:
            (volume,) = mounted
            access = ":ro" if name == "api-server" else ""
            assert volume.partition("}:")[2] == said["environment"]["AIRFLOW__DIROPS__ROOT"] + access


def test_every_service_that_stays_says_whether_it_is_well() -> None:
    assert [name for name, said in described().items() if "healthcheck" not in said] == ["init"]
    assert {said["restart"] for name, said in described().items() if name != "init"} == {"unless-stopped"}


def test_no_two_hosts_have_one_name() -> None:
    names = [said["hostname"] for name, said in of_airflow().items() if name != "init"]
    assert names == [name for name in of_airflow() if name != "init"]


def test_the_dockerfile_is_what_hadolint_likes() -> None:
    done = subprocess.run(
        [needs.tool("deployment", "hadolint"), DOCKER / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_script_is_what_shellcheck_likes() -> None:
    done = subprocess.run(
        [needs.tool("deployment", "shellcheck"), CELERY / "init.sh"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
