"""Syncs beside the work: each file once, soon, and never a second try at one that failed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from airflow_dirops.core.errors import StorageError
from airflow_dirops.core.fsync_pool import FsyncPool


def written(path: Path) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"bytes")
    return descriptor


def unsyncable() -> int:
    """A descriptor that the kernel refuses to sync."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("count", [1, 31, 32, 33, 1000])
def test_every_file_is_done_once_and_closed(tmp_path: Path, count: int) -> None:
    done: list[int] = []
    with FsyncPool() as pool:
        descriptors = []
        for number in range(count):
            descriptors.append(written(tmp_path / str(number)))
            pool.sync_then_close(descriptors[-1], str(number), lambda number=number: done.append(number))
        pool.drain()
        assert sorted(done) == list(range(count))
        assert not any(map(is_open, descriptors))


def test_a_lone_file_does_not_wait_for_others(tmp_path: Path) -> None:
    done = threading.Event()
    with FsyncPool() as pool:
        pool.sync_then_close(written(tmp_path / "lone"), "lone", done.set)
        assert done.wait(60)
        done.clear()
        pool.sync_then_close(written(tmp_path / "later"), "later", done.set)
        assert done.wait(60)


def test_leaving_waits_for_what_was_handed_over(tmp_path: Path) -> None:
    done: list[str] = []
    with FsyncPool() as pool:
        for number in range(100):
            pool.sync_then_close(written(tmp_path / str(number)), str(number), lambda: done.append(""))
    assert len(done) == 100


def test_a_failed_sync_is_told_at_the_drain_and_ever_after(tmp_path: Path) -> None:
    done: list[str] = []
    with FsyncPool() as pool:
        pool.sync_then_close(bad := unsyncable(), "some/path", lambda: done.append("bad"))
        for _ in range(2):
            with pytest.raises(StorageError, match="some/path"):
                pool.drain()
        late = written(tmp_path / "late")
        with pytest.raises(StorageError, match="some/path"):
            pool.sync_then_close(late, "late", lambda: done.append("late"))
        assert not is_open(bad)
        assert not is_open(late)
    assert done == []


def test_what_cannot_be_journaled_is_told_too(tmp_path: Path) -> None:
    def refuse() -> None:
        raise StorageError("writing the journal", "journal", OSError(28, "No space left on device"))

    with FsyncPool() as pool:
        pool.sync_then_close(written(tmp_path / "file"), "file", refuse)
        with pytest.raises(StorageError, match="journal"):
            pool.drain()
