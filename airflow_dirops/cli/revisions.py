"""DAG files as they are, and as they were in another revision of their repository."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.insight.stage_code import StageCodes
from airflow_dirops.core.messages.shown import shown

_READER = "airflow_dirops.operators.dag_code"
_LONGEST_REASON = 2_000


def read_dags(dags: Path, root: Path, imported_from: Path) -> StageCodes:
    """What the stages of DAG files do, found out by a process of its own, which imports them as Airflow does.

    :param dags: a folder of DAG files, or one of them.
    :param root: of their repository.
    :param imported_from: where modules come from that would otherwise come from that repository.
    :raises ArgumentRefused: if that process fails.
    """
    with TemporaryDirectory(prefix="dirops-code-") as folder:
        answer = Path(folder, "code.json")
        command = [sys.executable, "-m", _READER, os.fspath(dags), os.fspath(answer)]
        done = subprocess.run(  # noqa: S603 - this package's own module
            command, capture_output=True, check=False, env=_environment(dags, root, imported_from)
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-_LONGEST_REASON:]
            raise ArgumentRefused(
                f"the DAG files below {os.fspath(dags)!r} could not be looked at. Is Airflow installed here, and does "
                f"'airflow dags list-import-errors' work? It said: {said}"
            )
        return msgspec.json.decode(answer.read_bytes(), type=StageCodes)


def _environment(dags: Path, root: Path, imported_from: Path) -> dict[str, str]:
    """That of this process, but for modules of the repository: they come from the revision that is looked at."""
    mirrored = [imported_from / each.relative_to(root) for each in map(Path, sys.path) if each.is_relative_to(root)]
    folder = dags if dags.is_dir() else dags.parent
    paths = [*map(os.fspath, [folder, *mirrored]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}


def repository_of(dags: Path) -> Path:
    """The root of the repository that files are in.

    :raises ArgumentRefused: if they are in none.
    """
    folder = dags if dags.is_dir() else dags.parent
    return Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel").strip()))


@contextmanager
def checked_out(root: Path, revision: str) -> Iterator[Path]:
    """The files of a repository as they were, in a folder that goes away again.

    :raises ArgumentRefused: if there is no such revision.
    """
    try:
        commit = os.fsdecode(_git(root, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip())
    except ArgumentRefused as error:
        raise ArgumentRefused(
            f"there is no revision {shown(revision)!r} in the repository {os.fspath(root)!r}; name a commit, a tag or "
            "a branch, and fetch it first"
        ) from error
    with TemporaryDirectory(prefix="dirops-base-") as folder:
        with tarfile.open(fileobj=BytesIO(_git(root, "archive", commit))) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        return subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=True).stdout  # noqa: S603, S607
    except FileNotFoundError:
        raise ArgumentRefused("git is not installed here, and it has the base revision; install it") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise ArgumentRefused(f"git {arguments[0]} in {os.fspath(folder)!r}: {said}") from None
