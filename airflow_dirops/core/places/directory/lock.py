"""The lock of a target: a file that is locked for milliseconds, and says who holds it."""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from airflow_dirops.core.disk.held import check_regular, is_damage
from airflow_dirops.core.disk.permissions import share_file
from airflow_dirops.core.errors import StorageError, TargetBusy, TargetRefused, storage_errors
from airflow_dirops.core.format.members import UNDECODABLE, Count, Text
from airflow_dirops.core.places.directory.holder import Holder, let_go

_POLL_SECONDS = 0.02
_MAX_BYTES = 1 << 16


class LockOwner(msgspec.Struct, frozen=True):
    """Who holds a lock; it takes the name away when it lets go."""

    who: Text
    host: Text
    process: Count
    holder: Holder | None

    @classmethod
    def this_process(cls, who: str) -> LockOwner:
        return cls(who[:1024], socket.gethostname(), os.getpid(), Holder.this_process())

    @property
    def is_gone(self) -> bool:
        """Whether it has ended for sure, and somebody else must have the lock."""
        return self.holder is not None and self.holder.is_gone

    def __str__(self) -> str:
        return f"{self.who}, process {self.process} on {self.host}"


def open_lock(path: Path) -> int:
    """Open the file that a lock lies on, made where it is missing; for writing, since NFS asks for that.

    :raises TargetRefused: if something else has that name: a link would have us change another file.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        try:
            check_regular(os.fstat(descriptor), path)
            share_file(descriptor, path.parent)
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        if is_damage(error) and error.errno != errno.ENOENT:
            raise TargetRefused(
                f"{str(path)!r} is no file that can be locked ({error.strerror}), so nothing was changed; "
                "see who made it, and remove it if no run is at work on this target"
            ) from error
        raise StorageError("opening the lock", path, error) from error
    return descriptor


@contextmanager
def locked(path: Path, target: Path, who: str, timeout: float) -> Iterator[None]:
    """Hold the lock.

    :param who: for the error that others get.
    :raises TargetBusy: if another process holds it for longer than the timeout.
    """
    process = os.getpid()
    descriptor = open_lock(path)
    try:
        _acquire(descriptor, path, target, timeout)
        with suppress(OSError):  # a full disk: then nobody is named
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(LockOwner.this_process(who)), 0)
        yield
    finally:
        if process == os.getpid():
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
        let_go(descriptor, process)


def _acquire(descriptor: int, path: Path, target: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        with storage_errors("locking", path), suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() >= deadline:
            raise TargetBusy(_held(descriptor, path, target, timeout))
        time.sleep(_POLL_SECONDS)


def _held(descriptor: int, path: Path, target: Path, timeout: float) -> str:
    owner = None
    with suppress(OSError, *UNDECODABLE):
        owner = msgspec.json.decode(os.pread(descriptor, _MAX_BYTES, 0), type=LockOwner)
    if owner is not None and not owner.is_gone:
        return (
            f"the target {str(target)!r} has been locked for {timeout:.0f} s by {owner}; a lock is "
            "held for milliseconds, so look at that process: if it is stopped or hangs, end it, then try again"
        )
    return f"the target {str(target)!r} has been locked for {timeout:.0f} s by {stranger(path)}, then try again"


def stranger(path: Path) -> str:
    """Who else may have locked a file, and how to find out."""
    return (
        f"a process that is none of this package's: it holds an exclusive lock on {str(path)!r}; "
        f"find it and end it: {shlex.join(['fuser', '-v', os.fspath(path)])} (or lslocks)"
    )
