"""The few operating system calls whose order matters, each named by what it promises.

A failed fsync is never repeated: the kernel may have dropped the pages and answer "done" the second time.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from airflow_dirops.core.errors import storage_errors

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# What file systems without RENAME_EXCHANGE answer: NFS, FUSE, CIFS, kernels before 3.15; and those of FUSE that do not
# look at the flag, and try to rename onto a full directory.
_NOT_SUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTEMPTY, errno.EEXIST})

# Sixteen fsyncs beside the work let the journal of ext4 and xfs commit them in groups.
_FSYNC_THREADS = 16
_FSYNCS_IN_FLIGHT = 64


class ExchangeUnsupported(Exception):
    """This file system cannot exchange two names in one step."""


def exchange(one: Path, other: Path) -> None:
    """Swap two names in one step, so that nobody sees either of them missing.

    :raises ExchangeUnsupported: if the file system or the kernel cannot; nothing has changed then.
    """
    # Looked up at each call, in the process's own name space, so that a preloaded library can interpose it.
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise ExchangeUnsupported
    answer = libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if answer == 0:
        return
    number = ctypes.get_errno()
    if number in _NOT_SUPPORTED:
        raise ExchangeUnsupported
    raise OSError(number, os.strerror(number), os.fspath(one), None, os.fspath(other))


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power loss."""
    with storage_errors("syncing the directory", path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_directories(path: Path) -> None:
    """Make a directory and what is missing above it, so that the names survive a power loss."""
    if path.is_dir():
        return
    make_directories(path.parent)
    with storage_errors("making the directory", path):
        path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def write_file(path: Path, content: bytes, *, mode: int = 0o666, durable: bool = True) -> None:
    """Write a new file and, unless told otherwise, make its bytes survive a power loss."""
    with storage_errors("writing", path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        try:
            write_all(descriptor, content)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file: whoever opens it reads the old content or the new, and power loss keeps one of them."""
    fresh = path.with_name(path.name + ".new")
    write_file(fresh, content)
    with storage_errors("replacing", path):
        os.replace(fresh, path)
    sync_directory(path.parent)


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write every byte; a signal or a nearly full disk may cut a single ``write`` short."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class FsyncPool:
    """Fsyncs files beside the work, and says of each when it is durable.

    Threads start with the first file, so a process that forks its workers first stays safe to fork.
    """

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._running: deque[Future[None]] = deque()

    def sync_then_close(self, descriptor: int, path: str, done: Callable[[], None]) -> None:
        """Fsync a file, close it, and call ``done``; at once if the pool has room, else after a wait.

        :raises StorageError: if any fsync before this one failed.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_FSYNC_THREADS, thread_name_prefix="dirops-fsync")
        try:
            self._reap(until=_FSYNCS_IN_FLIGHT - 1)
        except BaseException:
            os.close(descriptor)
            raise
        self._running.append(self._threads.submit(_sync_then_close, descriptor, path, done))

    def drain(self) -> None:
        """Wait until everything handed over is durable.

        :raises StorageError: if an fsync failed.
        """
        self._reap(until=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._threads is not None:
            # Not cancelled: each holds a descriptor that only it closes.
            self._threads.shutdown(wait=True)
            self._threads = None

    def _reap(self, until: int) -> None:
        while len(self._running) > until:
            self._running.popleft().result()


def _sync_then_close(descriptor: int, path: str, done: Callable[[], None]) -> None:
    try:
        with storage_errors("making durable", path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    done()
