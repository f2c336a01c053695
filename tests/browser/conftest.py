"""A real Airflow with the example DAGs, and someone who looks at it; skipped, with why, where there is no browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.cluster import Cluster
from demo.raw import DAYS, write_raw
from demo.runs import Run, follow, trigger
from tests import needs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.visitor import Visitor

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
WITH_ASSETS = [CHECKOUT / "tests" / "cluster" / "dags" / name for name in ("chain.py", "days.py")]
DAG_IDS = (
    "counts",
    "clean",
    "days",
    "days_started",
    "example_curves",
    "example_images",
    "example_previews",
    "example_shards",
    "months",
    "totals",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for Airflow too."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser, if it and what drives it are here."""
    needs.packages("browser", "playwright")
    return needs.program("chromium")


@pytest.fixture(scope="session")
def cluster(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home, dags, data = (tmp_path_factory.mktemp(name, numbered=False) for name in ("airflow", "dags", "data"))
    for file in (*(CHECKOUT / "dags").glob("*.py"), *WITH_ASSETS):
        (dags / file.name).symlink_to(file)
    write_raw(data)
    with Cluster(home, dags=dags, data=data) as running:
        running.wait_for_dags(DAG_IDS)
        yield running


@pytest.fixture(scope="session")
def data(cluster: Cluster) -> Path:
    return cluster.data


@pytest.fixture(scope="session")
def run(cluster: Cluster) -> Run:
    """A run of the DAG ``example_images`` that has ended well, not the only one."""
    runs = [trigger(cluster, "example_images", partition_key=day) for day in DAYS[1:]]
    follow(cluster, runs)
    return runs[-1]


@pytest.fixture
def visitor(chromium: str, cluster: Cluster, tmp_path: Path) -> Iterator[Visitor]:
    from tests.browser.visitor import visitor

    with visitor(chromium, cluster.url, Path(os.environ.get("DIROPS_SCREENSHOTS", tmp_path))) as someone:
        yield someone
