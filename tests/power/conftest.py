"""Disks that may lose power, and the warm process that works on them; skipped, with why, where none can be made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.crash.conftest import library, quick_directory, sources, warm  # noqa: F401 - fixtures
from tests.crash.world import ROOT, Warm
from tests.power.disks import MAKE, Disk, need_disks

_seen = pytest.StashKey[dict[str, int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--power-states", type=int, help="states per file system and scenario; 0 for all (or DIROPS_POWER_STATES)"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_seen] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("power")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if seen := config.stash.get(_seen, {}):
        terminalreporter.section("states after a loss of power")
        for what, states in seen.items():
            terminalreporter.line(f"{states:7,d}  {what}")


@pytest.fixture
def count_states(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """Add to the number of states that the summary shows."""
    seen = request.config.stash.setdefault(_seen, {})

    def count(what: str, states: int) -> None:
        seen[what] = seen.get(what, 0) + states

    return count


@pytest.fixture(scope="session")
def states_wanted(request: pytest.FixtureRequest) -> int | None:
    """How many states to look at, where a test is not to choose for itself; 0 for all."""
    option, variable = request.config.getoption("--power-states", None), os.environ.get("DIROPS_POWER_STATES")
    return option if option is not None else int(variable) if variable else None


@pytest.fixture(params=MAKE)
def kind(request: pytest.FixtureRequest) -> str:
    need_disks(f"mkfs.{request.param}")
    needs.file_system(request.param)
    return request.param


@pytest.fixture
def disk(kind: str, here: Path) -> Iterator[Disk]:
    """A mounted file system of its own."""
    disk = Disk.make(kind, here)
    with disk.mounted():
        yield disk


@pytest.fixture
def here(quick_directory: Path, request: pytest.FixtureRequest) -> Iterator[Path]:  # noqa: F811
    directory = quick_directory / f"power-{abs(hash(request.node.nodeid))}"
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def spoil(library: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Warm]]:  # noqa: F811
    """Start a warm process with a copy of the package in which lines are replaced."""
    # Else the checkout in the working directory would be imported first.
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    started = []

    def spoil(module: str, *lines: tuple[str, str]) -> Warm:
        package = here / "spoiled"
        shutil.copytree(ROOT / "airflow_dirops", package / "airflow_dirops")
        path = package / "airflow_dirops" / "core" / module
        text = path.read_text()
        for line, instead in lines:
            assert text.count(line) == 1, f"{module} no longer says {line!r} once"
            text = text.replace(line, instead)
        path.write_text(text)
        started.append(Warm(library, package))
        return started[-1]

    yield spoil
    for warm_process in started:
        warm_process.close()
