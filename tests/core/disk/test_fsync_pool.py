"""Syncs beside the work: each file once, soon, and never a second try at one that failed."""

from __future__ import annotations

import os
from pathlib import Path
from queue import Queue

import pytest

from airflow_dirops.core.disk.fsync_pool import FsyncPool
from airflow_dirops.core.errors import StorageError


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
    with FsyncPool(done.extend) as pool:
        descriptors = []
        for number in range(count):
            descriptors.append(written(tmp_path / str(number)))
            pool.sync_then_close(descriptors[-1], str(number), number)
        pool.drain()
        assert sorted(done) == list(range(count))
        assert not any(map(is_open, descriptors))


def test_a_lone_file_does_not_wait_for_others(tmp_path: Path) -> None:
    done: Queue[list[str]] = Queue()
    with FsyncPool(done.put) as pool:
        for name in ("lone", "later"):
            pool.sync_then_close(written(tmp_path / name), name, name)
            assert done.get(timeout=60) == [name]


def test_leaving_waits_for_what_was_handed_over(tmp_path: Path) -> None:
    done: list[int] = []
    with FsyncPool(done.extend) as pool:
        for number in range(100):
            pool.sync_then_close(written(tmp_path / str(number)), str(number), number)
    assert len(done) == 100


def test_a_failed_sync_is_told_at_the_drain_and_ever_after(tmp_path: Path) -> None:
    done: list[str] = []
    with FsyncPool(done.extend) as pool:
        pool.sync_then_close(bad := unsyncable(), "some/path", "bad")
        for _ in range(2):
            with pytest.raises(StorageError, match="some/path") as told:
                pool.drain()
            assert isinstance(told.value.__cause__, OSError)
        late = written(tmp_path / "late")
        with pytest.raises(StorageError, match="some/path"):
            pool.sync_then_close(late, "late", "late")
        assert not is_open(bad)
        assert not is_open(late)
    assert done == []


def test_what_cannot_be_journaled_is_told_too(tmp_path: Path) -> None:
    def refuse(_: list[str]) -> None:
        raise StorageError("writing the journal", "journal", OSError(28, "No space left on device"))

    with FsyncPool(refuse) as pool:
        pool.sync_then_close(written(tmp_path / "file"), "file", "file")
        with pytest.raises(StorageError, match="journal"):
            pool.drain()
