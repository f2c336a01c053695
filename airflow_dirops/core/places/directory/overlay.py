"""Overlays: a directory that only a lower layer has, such as a container's image, cannot be renamed."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from airflow_dirops.core.errors import TargetRefused
from airflow_dirops.core.places.directory.preflight import is_vacant

_MOUNTS = Path("/proc/self/mountinfo")


def check_not_in_lower_layer(target: Path, filled: Path) -> None:
    """Ask the file system before any work, since a commit would be refused after it.

    :param filled: a directory beside the target with something in it: no file system renames another one onto it.
    :raises TargetRefused: if the target cannot be renamed.
    """
    if is_vacant(target) or not _is_overlay(target):
        return
    try:
        os.rename(target, filled)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise TargetRefused(
                f"the target {str(target)!r} comes from the lower layer of an overlay, as from a container's image, "
                "and a directory there cannot be renamed, so nothing was begun; choose another target, mount a "
                "volume above it, or put a copy in its place (cp -a, rm -r, mv)"
            ) from error


def _is_overlay(path: Path) -> bool:
    """Whether a directory lies on an overlay; see proc_pid_mountinfo(5)."""
    with suppress(FileNotFoundError):  # no such directory; or a system without /proc
        device = os.stat(path).st_dev
        where = f"{os.major(device)}:{os.minor(device)}"
        for line in _MOUNTS.read_text(errors="surrogateescape").splitlines():
            mount, _, kind = line.partition(" - ")
            if mount.split()[2] == where:
                return kind.split()[0] == "overlay"
    return False
