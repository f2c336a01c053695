"""A disk that keeps a log of what its file system sends to it."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.crash.world import ROOT
from tests.power.block_log import Log, read_log
from tests.power.disks import Disk, copy_image, run, why_not


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
        with self._served() as image, replace(self.disk, image=image).mounted() as where:
            yield where

    def read_log(self) -> Log:
        return read_log(self.log)

    @contextmanager
    def _served(self) -> Iterator[Path]:
        where = self.log.with_name("served")
        where.mkdir()
        command = [sys.executable, "-m", "tests.power.logging_server", self.disk.image, self.log, where]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "FUSE_LIBRARY_NAME": "fuse3"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as server:
            if not (name := server.stdout.readline().strip()):
                raise RuntimeError("the logging server did not start")
            try:
                yield where / name
            finally:
                run("umount", "--lazy", where)
                _wait_for(server)


def _wait_for(server: subprocess.Popen) -> None:
    """It ends by itself, once what it serves is in nobody's use."""
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        raise


def why_no_log() -> str | None:
    """Why no disk can be logged here, or None."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "needs FUSE (/dev/fuse)"
    if importlib.util.find_spec("mfusepy") is None:
        return "needs mfusepy: run make setup"
    if ctypes.util.find_library("fuse3") is None:
        return "needs libfuse3: run tests/power/install.sh"
    return why_not("cp", "fallocate")
