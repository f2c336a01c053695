"""Who is trying: the logical run, the attempt, and whether an attempt's process is still alive."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec
import uuid6

from airflow_dirops.core.documents import read_document
from airflow_dirops.core.durable import write_file
from airflow_dirops.core.errors import ManifestDamaged, storage_errors
from airflow_dirops.core.holder import Holder, boot_id, let_go
from airflow_dirops.core.lock import open_lock
from airflow_dirops.core.manifest import AttemptRecord
from airflow_dirops.core.members import UNDECODABLE, Number, Text

# How long the lock file of an attempt on another host must lie untouched before that attempt counts as gone.
FOREIGN_HOST_GRACE_SECONDS = 15 * 60.0


class LogicalRun(msgspec.Struct, frozen=True):
    """What a scheduler retries: the same for every try of one task in one run."""

    dag_id: Text = ""
    run_id: Text = ""
    task_id: Text = ""
    map_index: Number = -1

    @property
    def fence_key(self) -> str:
        return msgspec.json.encode((self.dag_id, self.run_id, self.task_id, self.map_index)).decode()

    @classmethod
    def of(cls, record: AttemptRecord) -> LogicalRun:
        """Of what a manifest says about its attempt."""
        return cls(record.dag_id, record.run_id, record.task_id, record.map_index)

    @classmethod
    def of_fence_key(cls, key: str) -> LogicalRun | None:
        """The run that a line of the fence is about; None if that is no line of ours."""
        with suppress(*UNDECODABLE):
            return cls(*msgspec.json.decode(key, type=tuple[str, str, str, int]))
        return None

    def __str__(self) -> str:
        name = ".".join(filter(None, (self.dag_id, self.task_id))) or "a run outside Airflow"
        mapped = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{name}{mapped} (run {self.run_id!r})"


def new_id() -> str:
    """A unique id that sorts by time."""
    return str(uuid6.uuid7())


def time_of(made: str) -> str:
    """When :func:`new_id` made an id: UTC, ISO 8601."""
    milliseconds = UUID(made).int >> 80  # RFC 9562, 5.7
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a target.

    :param try_number: counts up within a logical run, across clears too; 0 where nobody but the fence counts.
    :param first_try_number: the first try since the user last cleared the task.
    :param ti_id: new at every try and every clear; sorts by time.
    :param order: sorts by the time this run stands for, for ``on_conflict="newest"``.
    """

    run: LogicalRun
    try_number: int = 1
    first_try_number: int = 1
    ti_id: str = msgspec.field(default_factory=new_id)
    order: str = ""
    # Not the ti_id: a scheduler may start one try twice.
    id: str = msgspec.field(default_factory=new_id)

    @classmethod
    def outside_airflow(cls, stage: str, run: str | None) -> Attempt:
        """An attempt of a script; calls that name the same run are tries of it, counted when they claim the target."""
        return cls(run=LogicalRun(run_id=run or new_id(), task_id=stage), try_number=0)

    def record(self) -> AttemptRecord:
        return AttemptRecord(
            id=self.id,
            dag_id=self.run.dag_id,
            run_id=self.run.run_id,
            task_id=self.run.task_id,
            map_index=self.run.map_index,
            try_number=self.try_number,
            ti_id=self.ti_id,
            order=self.order,
        )


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The process behind an attempt, and what its finished files were made with and for.

    :param run: which try of which run it is.
    :param full: whether it made everything anew.
    """

    host: Text
    boot: Text
    process: Number
    fingerprint: Text
    run: LogicalRun | None = None
    try_number: Number = 0
    ti_id: Text = ""
    full: bool = False

    @classmethod
    def this_process(cls, attempt: Attempt, fingerprint: str, *, full: bool) -> Owner:
        return cls(
            host=socket.gethostname(),
            boot=boot_id(),
            process=os.getpid(),
            fingerprint=fingerprint,
            run=attempt.run,
            try_number=attempt.try_number,
            ti_id=attempt.ti_id,
            full=full,
        )

    @property
    def may_be_out_of_sight(self) -> bool:
        """Whether it ran on another kernel, whose locks may not reach this one."""
        if self.host == socket.gethostname():
            return False
        return "unknown" in (self.boot, boot_id()) or self.boot != boot_id()

    def __str__(self) -> str:
        return f"{self.run}, try {self.try_number}" if self.run else f"process {self.process} on {self.host}"

    def write(self, directory: Path) -> None:
        write_file(directory / "owner.json", msgspec.json.encode(self), durable=False)

    @classmethod
    def read(cls, directory: Path) -> Owner | None:
        """The owner, or None where the attempt died before it had written one."""
        with suppress(ManifestDamaged):  # its lock alone decides then
            return read_document(directory / "owner.json", cls)
        return None


class LeftAlone(NamedTuple):
    """An attempt that may not be taken.

    :param until: when it counts as gone, if it shows no more life; None while a process holds its lock.
    """

    until: float | None


class AliveLock:
    """The lock that an attempt's process holds for as long as it lives; the kernel lets it go with the process.

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

    def release(self) -> None:
        let_go(self._descriptor, self._process)


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
    owner = Owner.read(directory)
    if owner is None or not owner.may_be_out_of_sight:
        return None
    until = os.fstat(descriptor).st_mtime + FOREIGN_HOST_GRACE_SECONDS
    return until if time.time() < until else None
