"""An Airflow home for tests alone: Airflow reads its home when it is first imported, so this comes before that."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

_READS_THE_HOME = ("airflow.configuration", "airflow.sdk.configuration")


@cache
def isolated_home() -> Path:
    """Make the home, once for this process, and point Airflow to it; it is removed in the end.

    :raises pytest.UsageError: if something has imported Airflow already.
    """
    if imported := [name for name in _READS_THE_HOME if name in sys.modules]:
        raise pytest.UsageError(
            f"{imported[0]} is imported already, so these tests would work on the Airflow of this machine; make "
            'pytest_plugins = ["airflow_dirops.testing.plugin"] the first line of the conftest.py at the top, and '
            "import Airflow and DAG files below it or in the tests"
        )
    home = Path(tempfile.mkdtemp(prefix="dirops-airflow-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    (home / "dags").mkdir()
    for name in [name for name in os.environ if name.startswith(("AIRFLOW__", "AIRFLOW_CONFIG"))]:
        del os.environ[name]
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-tests-" + "0" * 40,
        }
    )
    return home


def migrated_database(kept: Path) -> Path:
    """A database as ``airflow db migrate`` leaves it.

    :param kept: a folder that outlives the test run, as making one takes seconds.
    :raises pytest.UsageError: if Airflow cannot make it, with what it said.
    """
    from airflow import __version__

    database = kept / f"{__version__}.db"
    if not database.exists():
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - Airflow's own
        if done.returncode:
            raise pytest.UsageError(f"`airflow db migrate` failed, and DAGs run on its database:\n{done.stderr}")
        shutil.move(isolated_home() / "airflow.db", database)
    return database


def use_database(database: Path) -> None:
    """Give Airflow a copy of a database that no other test has used."""
    from airflow import settings

    # Closed first, and a new file: a connection to the test before must neither see this one nor write to it.
    settings.dispose_orm(do_log=False)
    for old in isolated_home().glob("airflow.db*"):
        old.unlink()
    shutil.copy(database, isolated_home() / "airflow.db")
    settings.configure_orm()  # type: ignore[no-untyped-call]
