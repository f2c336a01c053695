"""A FUSE file system of ours, served by a process of its own: whoever waits for a file cannot serve it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import needs
from tests.crash.world import ROOT
from tests.power.disks import need_disks, run

READY = "ready"
DISK = "disk"  # the only file that the logging server shows


@contextmanager
def served(module: str, *arguments: str | Path, where: Path, by_force: bool = False) -> Iterator[Path]:
    """Run a module that serves a directory until that is unmounted, and prints that it is ready.

    :param arguments: what it is called with, before the directory.
    :param by_force: end it though a mount namespace that somebody made meanwhile has a copy of the mount.
    """
    where.mkdir()
    command = [sys.executable, "-m", module, *arguments, where]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FUSE_LIBRARY_NAME": "fuse3"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as server:
        if server.stdout.readline().strip() != READY:
            raise RuntimeError(f"{module} did not start")
        try:
            yield where
        finally:
            run("umount", "--lazy", *(["--force"] if by_force else []), where)
            _wait_for(server)


def _wait_for(server: subprocess.Popen) -> None:
    """It ends by itself, once what it serves is in nobody's use."""
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        raise


def need_served() -> None:
    """Skip the test where nothing can be served."""
    needs.device("/dev/fuse")
    needs.library("libfuse3.so.3")
    need_disks()
