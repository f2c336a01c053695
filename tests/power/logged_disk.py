"""A disk that keeps a log of what its file system sends to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.power.block_log import Log, read_log
from tests.power.disks import Disk, copy_image, need_disks, run
from tests.power.served import DISK, need_served, served


@dataclass(frozen=True)
class LoggedDisk:
    """A disk, and the log of it.

    :param blank: its image as it was before the first entry of the log.
    """

    disk: Disk
    blank: Path
    log: Path

    @classmethod
    def make(cls, kind: str, directory: Path) -> LoggedDisk:
        """Make one, not yet mounted."""
        logged = cls(Disk.make(kind, directory), directory / "blank.img", directory / "blocks.log")
        run("fallocate", "--dig-holes", logged.disk.image)  # mkfs writes zeros, which each state would copy
        copy_image(logged.disk.image, logged.blank)
        return logged

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        server, where = "tests.power.logging_server", self.log.with_name("served")
        with served(server, self.disk.image, self.log, where=where), replace(self.disk, image=where / DISK).mounted():
            yield self.disk.where

    def read_log(self) -> Log:
        return read_log(self.log)


def need_log() -> None:
    """Skip the test where no disk can be logged."""
    need_served()
    need_disks("cp", "fallocate")
