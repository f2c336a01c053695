"""Whether a process of an attempt is still alive: the lock that it holds, and who it said it was."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from airflow_dirops.core.disk.documents import read_document
from airflow_dirops.core.disk.durable import write_file
from airflow_dirops.core.errors import DiropsError, ManifestDamaged, storage_errors
from airflow_dirops.core.format.control import Owner
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.places.directory.holder import Holder, boot_id, let_go
from airflow_dirops.core.places.directory.lock import open_lock

# How long the lock file of an attempt on another host must lie untouched before that attempt counts as gone.
FOREIGN_HOST_GRACE_SECONDS = 15 * 60.0
_OWNER = "owner.json"


def owner_here(attempt: Attempt, fingerprint: str, *, full: bool, shard: int | None = None) -> Owner:
    """This process as the owner of an attempt, or of a part of its work."""
    return Owner(
        host=socket.gethostname(),
        boot=boot_id(),
        process=os.getpid(),
        fingerprint=fingerprint,
        run=attempt.run,
        try_number=attempt.try_number,
        ti_id=attempt.ti_id,
        full=full,
        shard=shard,
    )


def write_owner(directory: Path, owner: Owner) -> None:
    """Say in an attempt's directory whose it is."""
    write_file(directory / _OWNER, msgspec.json.encode(owner), durable=False)


def read_owner(directory: Path) -> Owner | None:
    """The owner of an attempt, or None where it died before it had written one."""
    with suppress(ManifestDamaged):  # its lock alone decides then
        return read_document(directory / _OWNER, Owner)
    return None


def _may_be_out_of_sight(owner: Owner) -> bool:
    """Whether it ran on another kernel, whose locks may not reach this one."""
    if owner.host == socket.gethostname():
        return False
    return "unknown" in (owner.boot, boot_id()) or owner.boot != boot_id()


class LeftAlone(NamedTuple):
    """An attempt that may not be taken.

    :param until: when it counts as gone, if it shows no more life; None while a process holds its lock.
    :param is_open: no process of it is at work, and its claim was left open for others.
    """

    until: float | None
    is_open: bool = False


class AliveLock:
    """The lock that a process of an attempt holds for as long as it lives; the kernel lets it go with the process.

    A child that the user's functions fork inherits it, so the locked file says whose it is: see :class:`Holder`.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._process = os.getpid()
        self._touched = time.monotonic()

    @classmethod
    def take(cls, directory: Path) -> AliveLock | LeftAlone:
        """Take it, unless the attempt may still be alive. Always under the target's lock."""
        path = directory / "alive"
        until = None
        with storage_errors("opening the lock", path):
            descriptor = open_lock(path)
        try:
            with storage_errors("locking", path):
                if _lock(descriptor):
                    until = _may_live_elsewhere_until(directory, descriptor)
                    is_ours = until is None
                elif is_ours := _is_left_behind(descriptor):
                    # The lock lies on the file, not on its name.
                    path.unlink()
                    os.close(descriptor)
                    descriptor = open_lock(path)
                    is_ours = _lock(descriptor)
                if is_ours:
                    _name_holder(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if is_ours:
            return cls(descriptor)
        os.close(descriptor)
        return LeftAlone(until)

    def touch(self) -> None:
        """Show hosts that cannot see the lock that this attempt goes on; cheap enough for every file."""
        now = time.monotonic()
        if now - self._touched > FOREIGN_HOST_GRACE_SECONDS / 30:
            self._touched = now
            os.utime(self._descriptor)

    def note_work(self) -> None:
        """Show that this attempt was at work just now: a claim that is left open counts its time from then."""
        os.utime(self._descriptor)

    def release(self) -> None:
        let_go(self._descriptor, self._process)


def may_be_at_work(directory: Path) -> bool:
    """Whether a process may be at work in a staging area; where that cannot be told, it may.

    Always under the target's lock.
    """
    try:
        lock = AliveLock.take(directory)
    except DiropsError:
        return True
    if isinstance(lock, LeftAlone):
        return True
    lock.release()
    return False


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_left_behind(descriptor: int) -> bool:
    """Whether who took the lock has ended, and only a child of it keeps the lock."""
    holder = Holder.read(descriptor)
    return holder is not None and holder.is_gone


def _name_holder(descriptor: int) -> None:
    before = os.fstat(descriptor)
    if before.st_nlink > 1:  # a copy by links would change with it
        return
    os.ftruncate(descriptor, 0)
    with suppress(OSError):  # a full disk: then nobody is named
        if holder := Holder.this_process():
            holder.write(descriptor)
    # Its age tells other hosts when the attempt itself was last at work.
    with suppress(PermissionError):  # another user's
        os.utime(descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))


def _may_live_elsewhere_until(directory: Path, descriptor: int) -> float | None:
    owner = read_owner(directory)
    if owner is None or not _may_be_out_of_sight(owner):
        return None
    until = os.fstat(descriptor).st_mtime + FOREIGN_HOST_GRACE_SECONDS
    return until if time.time() < until else None
