"""The preloaded library, a warm process, a quick file system, and how many points were struck."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import shim
from tests.crash.world import Warm, make_sources

_struck = pytest.StashKey[dict[str, int]]()
_POINTS = "crash points struck"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--crash-full", action="store_true", help="strike every point (or DIROPS_CRASH_FULL=1)")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_struck] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("crash")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if struck := config.stash.get(_struck, {}):
        terminalreporter.section(_POINTS)
        for matrix, points in struck.items():
            terminalreporter.line(f"{points:7,d}  {matrix}")


@pytest.fixture
def count_points(request: pytest.FixtureRequest):
    """Add to the number of points that the summary shows for a matrix."""
    struck = request.config.stash.setdefault(_struck, {})

    def count(matrix: str, points: int) -> None:
        struck[matrix] = struck.get(matrix, 0) + points

    return count


@pytest.fixture(scope="session")
def is_full(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--crash-full", False) or os.environ.get("DIROPS_CRASH_FULL"))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shim.build(tmp_path_factory.mktemp("failpoint"))


@pytest.fixture(scope="session")
def warm(library: Path) -> Iterator[Warm]:
    warm = Warm(library)
    yield warm
    warm.close()


@pytest.fixture(scope="session")
def quick_directory() -> Iterator[Path]:
    """On a file system in memory where there is one: what a killed process leaves does not depend on the disk."""
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="dirops-crash-", dir=memory if os.access(memory, os.W_OK) else None))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def sources(quick_directory: Path) -> Path:
    make_sources(quick_directory / "sources")
    return quick_directory / "sources"


@pytest.fixture
def here(quick_directory: Path) -> Iterator[Path]:
    """A new directory for one test."""
    directory = Path(tempfile.mkdtemp(dir=quick_directory))
    yield directory
    shutil.rmtree(directory)
