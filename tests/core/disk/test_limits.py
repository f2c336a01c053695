"""Few processes, threads or open files: an error that says so, and no hang, and nothing left open."""

from __future__ import annotations

import os
import resource
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import read_directory
from airflow_dirops.core.disk.fsync_pool import FsyncPool
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.processes.process import children
from tests.core.children import limit_to, limited
from tests.core.descriptors import left_open, limit_that_leaves, open_descriptors
from tests.core.directories import assert_whole, values_of, write_texts

FULL = {"workers": 1, "durability": "full"}
MOST_FILES = 24


@pytest.fixture
def place(public: Path) -> Path:
    public.chmod(0o777)
    write_texts(public / "texts", **{f"t{number:03}": f"text {number}" for number in range(100)})
    return public


def read(path: str) -> str:
    return Path(path).read_text()


def run(place: Path, **options: Any) -> str:
    """How a stage ends, and what it has left open or running besides."""
    before, others = open_descriptors(), set(children())
    try:
        usual = {"source": place / "texts", "target": place / "target", "read": read, "codec": "text"}
        outcome = read_directory(**usual | {"stage": "copy", "version": "1"} | options)
        ended = f"{outcome.outcome} {outcome.counts['reused'] > 0}"
    except DiropsError as error:
        ended = f"{type(error).__name__}: {error}"
    left = left_open(before)
    return ended if (left, set(children())) == ([], others) else f"{ended}, and left {left} open"


class TestNoProcessLeft:
    @pytest.mark.parametrize(
        "options",
        [
            pytest.param(FULL, id="for the threads that sync"),
            pytest.param({"workers": 2}, id="for the process that forks the workers"),
            pytest.param({"workers": 1, "file_timeout": 5}, id="for the one worker"),
            pytest.param(FULL | {"on_error": "quarantine"}, id="where files may be set aside"),
        ],
    )
    def test_the_stage_fails_and_says_so(self, place: Path, options: dict[str, Any]) -> None:
        told = limited(lambda: run(place, **options), NPROC=0)
        assert told.startswith("ResourcesExhausted: this machine has no threads or processes left"), told
        assert "give the task more, or use fewer workers, then try again" in told
        assert "and left" not in told
        assert not (place / "target").exists()

    def test_what_it_advises_helps(self, place: Path) -> None:
        assert limited(lambda: run(place, **FULL), NPROC=0).startswith("ResourcesExhausted")
        assert limited(lambda: run(place, **FULL)) == "committed False"
        assert_whole(place / "target")

    def test_fewer_workers_help(self, place: Path) -> None:
        assert limited(lambda: run(place, workers=2, durability="process"), NPROC=0).startswith("ResourcesExhausted")
        assert limited(lambda: run(place, workers=1, durability="process"), NPROC=0) == "committed False"

    def test_in_the_middle_of_the_work(self, place: Path) -> None:
        def hindered(path: str) -> str:
            limit_to("NPROC", 0 if path.endswith("t050.txt") else resource.getrlimit(resource.RLIMIT_NPROC)[0])
            return read(path)

        told = limited(lambda: run(place, read=hindered, **FULL))
        # Threads that were running by then may have been enough.
        assert told.startswith(("ResourcesExhausted", "committed")), told
        assert "and left" not in told
        assert limited(lambda: run(place, **FULL)).startswith(("committed", "unchanged"))
        assert len(values_of(place / "target")) == 100

    def test_for_the_successor_of_a_worker_that_died(self, place: Path) -> None:
        def deadly(path: str) -> str:
            time.sleep(0.01)  # so that the other worker has not done it all by then
            if path.endswith("t010.txt"):
                resource.prlimit(os.getppid(), resource.RLIMIT_NPROC, (0, 0))
                os._exit(1)
            return read(path)

        told = limited(lambda: run(place, read=deadly, workers=2, on_error="quarantine", max_failures=5))
        assert told.startswith("ResourcesExhausted"), told
        assert "worker " in told
        assert "and left" not in told


def test_the_threads_that_run_do_the_work_of_those_that_cannot_be_started(place: Path) -> None:
    done: list[int] = []

    def sync_many() -> int:
        with FsyncPool(done.extend) as pool:
            for number in range(2000):
                if number == 1:
                    limit_to("NPROC", 0)
                path = place / str(number)
                pool.sync_then_close(os.open(path, os.O_WRONLY | os.O_CREAT), str(path), number)
            pool.drain()
        return len(done)

    # The one thread ends when no file comes for a while.
    assert limited(sync_many).startswith(("2000", "ResourcesExhausted"))


@pytest.mark.parametrize("options", [FULL, FULL | {"workers": 2}], ids=["one process", "workers"])
@pytest.mark.parametrize("others", [0, 200], ids=["nothing else open", "two hundred others open"])
def test_few_open_files(place: Path, options: dict[str, Any], others: int) -> None:
    """Whichever file is the one too many, and whatever else the process has open."""

    def run_with(more: int) -> str:
        for _ in range(others):
            os.open("/dev/null", os.O_RDONLY)
        limit_to("NOFILE", limit_that_leaves(1 + more))
        return run(place, target=place / str(more), **options)

    every = range(MOST_FILES) if not others else (0, *range(1, MOST_FILES, 6), MOST_FILES - 1)
    told = [limited(partial(run_with, more)) for more in every]
    assert all(ended.startswith(("StorageError", "committed", "unchanged")) for ended in told), told
    assert not any("and left" in ended for ended in told), told
    assert "ulimit -n" in told[0]
    assert told[-1].startswith(("committed", "unchanged")), told[-1]
