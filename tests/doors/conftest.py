"""A real Airflow for the tests of the doors: its own home, and a fresh database for each test that runs a DAG."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Airflow reads its home when it is first imported, so this comes before anything else.
HOME = Path(tempfile.mkdtemp(prefix="dirops-doors-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(HOME / "logs"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-tests-" + "0" * 40,
    }
)
(HOME / "dags").mkdir()

import pytest  # noqa: E402

from tests.doors.airflow_runs import Runs  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Airflow and its stack warn as they like; our own code must not."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for rule in ("default", "error:::airflow_dirops"):
                item.add_marker(pytest.mark.filterwarnings(rule))


@pytest.fixture(scope="session")
def migrated_database(request: pytest.FixtureRequest) -> Path:
    """A database as ``airflow db migrate`` leaves it; kept between test runs, as it takes seconds to make."""
    from airflow import __version__

    kept = request.config.cache.mkdir("airflow-database") / f"{__version__}.db"
    if not kept.exists():
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
        shutil.move(HOME / "airflow.db", kept)
    return kept


@pytest.fixture
def runs(migrated_database: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Runs DAGs on a database that no other test has used."""
    from airflow import settings

    # Closed first, and a new file: a connection to the test before must neither see this one nor write to it.
    settings.dispose_orm(do_log=False)
    for old in HOME.glob("airflow.db*"):
        old.unlink()
    shutil.copy(migrated_database, HOME / "airflow.db")
    settings.configure_orm()  # type: ignore[no-untyped-call]
    return Runs(HOME / "dags", monkeypatch)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that relative paths of DAGs are below."""
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", str(tmp_path))
    return tmp_path
