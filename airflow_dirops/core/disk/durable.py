"""The few operating system calls whose order matters, each named by what it promises.

A failed fsync is never repeated: the kernel may have dropped the pages and answer "done" the second time.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from airflow_dirops.core.disk.permissions import share_file
from airflow_dirops.core.errors import storage_errors

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# What file systems without RENAME_EXCHANGE answer: NFS, FUSE, CIFS, kernels before 3.15; and those of FUSE that do not
# look at the flag, and try to rename onto a full directory.
_NOT_SUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTEMPTY, errno.EEXIST})
_SYNC_FILE_RANGE_WRITE = 2

_LIBC = ctypes.CDLL(None, use_errno=True)
# A synced file closes at once; os.close lets go of the GIL, and a thread waits for it longer than for the call.
_LIBC_WITH_THE_GIL = ctypes.PyDLL(None)


class ExchangeUnsupported(Exception):
    """This file system cannot exchange two names in one step."""


def exchange(one: Path, other: Path) -> None:
    """Swap two names in one step, so that nobody sees either of them missing.

    :raises ExchangeUnsupported: if the file system or the kernel cannot; nothing has changed then.
    """
    if not hasattr(_LIBC, "renameat2"):
        raise ExchangeUnsupported
    answer = _LIBC.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
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


def sync_then_close(descriptors: Sequence[int]) -> dict[int, OSError]:
    """Make the bytes of some files survive a power loss.

    :returns: the error of each that the file system refused to sync; what was written to it is lost.
    """
    errors = {}
    # Nothing else in this loop: what runs between two syncs holds the GIL, and the thread that works waits for it.
    for descriptor in descriptors:
        try:
            os.fsync(descriptor)
        except OSError as error:
            errors[descriptor] = error
    for descriptor in descriptors:
        _LIBC_WITH_THE_GIL.close(descriptor)
    return errors


def begin_write_back(descriptor: int) -> None:
    """Let the kernel begin to write a file, where it can, so that one commit of its journal serves many files.

    Promises nothing and reports nothing: the fsync that follows does.
    """
    if hasattr(_LIBC, "sync_file_range"):
        _LIBC.sync_file_range(descriptor, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE)


def make_directories(path: Path) -> None:
    """Make a directory and what is missing above it, so that the names survive a power loss."""
    if path.is_dir():
        return
    make_directories(path.parent)
    with storage_errors("making the directory", path):
        path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def write_file(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a new file, shared as its directory is, and, unless told otherwise, make its bytes survive a power loss."""
    with storage_errors("writing", path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
        try:
            share_file(descriptor, path.parent)
            write_all(descriptor, content)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write every byte; a signal or a nearly full disk may cut a single ``write`` short."""
    if not content:
        return
    written = os.write(descriptor, content)
    if written < len(content):
        rest = memoryview(content)[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]
