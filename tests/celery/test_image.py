"""The steps of ``docker/Dockerfile``, done in fresh environments in place of its base images."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.docs.markdown import CHECKOUT

DOCKERFILE = CHECKOUT / "docker" / "Dockerfile"
OF_AIRFLOWS_IMAGE = ("apache-airflow=={version}", "apache-airflow-providers-celery")


def instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(None, text.splitlines()):
        name, _, rest = line.partition(" ")
        yield name, rest


class Build:
    """A build: each stage is a folder, in which paths of the image lie, and an environment.

    :param context: what the ignore file lets through of the checkout.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.context = folder, folder / "context"
        for name in allowed():
            copy(CHECKOUT / name, self.context / name)
        self.stages: dict[str, Path] = {}
        self.environment: dict[str, str] = {}

    def do(self, name: str, rest: str) -> None:
        getattr(self, f"do_{name.lower()}")(rest)

    def do_from(self, rest: str) -> None:
        image, _, stage = rest.partition(" AS ")
        self.root = self.stages[stage] = self.folder / (stage or "last")
        python = self.root / "python"
        subprocess.run([sys.executable, "-m", "venv", python], check=True)
        self.workdir = self.root
        self.environment = os.environ | {"PATH": f"{python}/bin:/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        if found := re.fullmatch(r"apache/airflow:([\d.]+)-python3\.\d+", image):
            home = self.root / "opt/airflow"
            (home / "dags").mkdir(parents=True)
            self.environment |= {"AIRFLOW_VERSION": found[1], "AIRFLOW_HOME": str(home)}
            wanted = [name.format(version=found[1]) for name in OF_AIRFLOWS_IMAGE]
            self.do_run(shlex.join(["pip", "install", "-q", "-c", str(CHECKOUT / "constraints.txt"), *wanted]))

    def do_workdir(self, rest: str) -> None:
        self.workdir = self.root / rest.lstrip("/")
        self.workdir.mkdir(parents=True)

    def do_copy(self, rest: str) -> None:
        source, words = self.context, rest.split()
        if words[0].startswith("--from="):
            source = self.stages[words.pop(0).partition("=")[2]]
        *names, to = words
        place = self.within(to)
        for name in names:
            path = source / name.lstrip("/")
            copy(path, place / path.name if path.is_file() else place)

    def do_run(self, command: str) -> None:
        """Absolute paths of the image are those below the stage's folder."""
        there = re.sub(r"(?<=[\s=])/(?=dist\b)", f"{self.root}/", command)
        done = subprocess.run(
            ["sh", "-ec", there], cwd=self.workdir, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"RUN {command}\n{done.stdout}{done.stderr}"

    def within(self, path: str) -> Path:
        named = path.replace("${AIRFLOW_HOME}", "/opt/airflow")
        return self.root / named.lstrip("/") if named.startswith("/") else self.workdir / named


def allowed() -> list[str]:
    """What the ignore file does not ignore: it names all, and then what is let through."""
    lines = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().split()
    assert lines[0] == "*"
    return [line[1:] for line in lines if line.startswith("!")]


def copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, to, dirs_exist_ok=True, ignore=skipped)
    else:
        shutil.copy(source, to)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    build = Build(tmp_path_factory.mktemp("build"))
    for name, rest in instructions():
        build.do(name, rest)
    return build


def said(build: Build, *command: str) -> str:
    home = {"AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    return subprocess.run(
        command, env=build.environment | home, cwd=build.root, capture_output=True, text=True, check=True
    ).stdout


def test_it_is_the_python_that_the_tests_run_on() -> None:
    images = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python != "3.11":
        pytest.skip("the image's Python is the one of CI")
    assert [fnmatch(image, f"*{python}*") for image in images] == [True, True]


def test_the_package_is_installed_and_airflow_stays_what_it_was(built: Build) -> None:
    assert said(built, "airflow", "version").split() == [built.environment["AIRFLOW_VERSION"]]
    assert "airflow-dirops" in said(built, "airflow", "providers", "list")
    assert "No broken requirements" in said(built, "pip", "check")
    where = said(built, "python", "-c", "import airflow_dirops; print(airflow_dirops.__file__)")
    assert Path(where.strip()).is_relative_to(built.root)


def test_what_is_mounted_later_is_there(built: Build) -> None:
    home = built.root / "opt/airflow"
    assert (home / "users").stat().st_mode & 0o777 == 0o770
    assert {path.name for path in (home / "dags").glob("*.py")} == {
        path.name for path in (CHECKOUT / "dags").glob("*.py")
    }
