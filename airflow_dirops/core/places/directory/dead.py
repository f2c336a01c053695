"""What a process has left in its staging area, and what a dead attempt has in all of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from airflow_dirops.core.disk.held import HeldDirectory
from airflow_dirops.core.disk.removal import Concerns
from airflow_dirops.core.format.control import Owner
from airflow_dirops.core.format.journal import JournalLine
from airflow_dirops.core.places.directory.alive import AliveLock, read_owner
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.holder import boot_id
from airflow_dirops.core.places.directory.retention import discard
from airflow_dirops.core.staging.journal import Journal, read_journal


@dataclass
class LeftArea:
    """A staging area of another process; see :class:`~airflow_dirops.core.place.staging.Leftover`.

    :param is_given_up: nobody else counts on what lies there.
    """

    where: Path
    is_given_up: bool = False

    @property
    def id(self) -> str:
        return self.where.name

    @cached_property
    def owner(self) -> Owner | None:
        return read_owner(self.where)

    @property
    def shard(self) -> int | None:
        return self.owner.shard if self.owner else None

    @cached_property
    def directory(self) -> HeldDirectory:
        """Its tree, opened when the first file is taken from it."""
        return HeldDirectory.open(self.where / "tree")

    @cached_property
    def is_checked(self) -> bool:
        """Whether size, inode and time are proof enough: after a reboot the kernel may have lost unsynced bytes."""
        return self.owner is not None and self.owner.boot == boot_id()

    @cached_property
    def is_from_before_reboot(self) -> bool:
        return self.owner is None or (self.owner.host == socket.gethostname() and not self.is_checked)

    @cached_property
    def journal_bytes(self) -> int:
        """How much is finished in it; 0 too if its process died after its commit."""
        with suppress(OSError):
            # Without a tree, what it finished is, or was, the target.
            return (self.where / Journal.NAME).stat().st_size if (self.where / "tree").is_dir() else 0
        return 0

    def finished(self) -> Iterator[JournalLine]:
        return read_journal(self.where)

    def close(self) -> None:
        if opened := vars(self).pop("directory", None):
            opened.close()


@dataclass
class DeadAttempt:
    """An attempt no process of which goes on. Ours while the locks of its staging areas are held.

    :param areas: where its processes staged, the first one's first.
    :param is_reusable: its finished files may stand for work of the attempt that holds it.
    """

    control: ControlDirectory
    id: str
    areas: list[LeftArea]
    locks: list[AliveLock]
    is_reusable: bool = False

    @property
    def owner(self) -> Owner | None:
        """Of whichever of its processes has said what it works for; all work for the same."""
        return next((area.owner for area in self.areas if area.owner is not None), None)

    @cached_property
    def journal_bytes(self) -> int:
        """How much it has finished."""
        return sum(area.journal_bytes for area in self.areas)

    def discard(self, found: Concerns | None = None) -> bool:
        """Move all of it out of sight; returns whether it is."""
        moved = [discard(self.control, area.where, found) for area in self.areas]
        return all(moved)

    def release(self) -> None:
        """Leave it to whoever comes next."""
        for area in self.areas:
            area.close()
        for lock in self.locks:
            lock.release()


def release_all(dead: list[DeadAttempt]) -> None:
    """Leave dead attempts to whoever comes next."""
    for attempt in dead:
        attempt.release()
