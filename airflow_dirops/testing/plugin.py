"""Fixtures for tests of stages and DAGs. Ask for them in the conftest.py at the top, on its first line::

    pytest_plugins = ["airflow_dirops.testing.plugin"]

Airflow then has a home of its own in these tests, and none of its settings comes from this machine.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dirops.testing.airflow_home import isolated_home, migrated_database, use_database
from airflow_dirops.testing.dags import Dags
from airflow_dirops.testing.stages import Stages


def pytest_configure() -> None:
    """Before any test module is imported, which may import Airflow."""
    isolated_home()


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    """Run stages on what a test has in memory; needs no Airflow."""
    return Stages(tmp_path / "stages")


@pytest.fixture(scope="session")
def airflow_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as Airflow makes it; kept in pytest's cache, where that is on."""
    cache = getattr(request.config, "cache", None)
    return migrated_database(cache.mkdir("airflow-database") if cache else tmp_path_factory.mktemp("airflow-database"))


@pytest.fixture
def dags(airflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dags:
    """Run DAGs without a scheduler, on a database and below a root that no other test has used."""
    use_database(airflow_database)
    root = tmp_path / "data"
    root.mkdir()
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", str(root))
    return Dags(root)
