"""A real Airflow for the tests of the doors: its own home, and a fresh database for each test that runs a DAG."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dirops.testing.airflow_home import isolated_home, use_database
from airflow_dirops.testing.dags import Dags
from airflow_dirops.testing.plugin import airflow_database
from tests.doors.airflow_runs import Runs

__all__ = ["airflow_database"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Airflow and its stack warn as they like; our own code must not."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for rule in ("default", "error:::airflow_dirops"):
                item.add_marker(pytest.mark.filterwarnings(rule))


@pytest.fixture
def runs(airflow_database: Path, tmp_path: Path) -> Runs:
    """Runs DAGs on a database that no other test has used."""
    use_database(airflow_database)
    return Runs(Dags(tmp_path), isolated_home() / "dags")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that relative paths of DAGs are below."""
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", str(tmp_path))
    return tmp_path
