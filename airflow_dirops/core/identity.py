"""Whether two paths are one directory, or one lies in the other: by device and inode and by mounts, not by names.

A directory has many names: through links, through bind mounts, in other letters where a file system does not tell
upper from lower case, and through ``/proc``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MOUNTS = "/proc/self/mountinfo"
_OCTAL = re.compile(r"\\([0-7]{3})")

Identity = tuple[int, int]


class Mount(NamedTuple):
    """A line of the kernel's list: which directory of which file system is seen where."""

    device: str
    root: Path
    point: Path


def identity_of(path: str | os.PathLike[str]) -> Identity | None:
    """Device and inode of what a path leads to; None if nothing is there."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


def is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one directory, or would."""
    identity = identity_of(one)
    if identity is None:
        return os.path.realpath(one) == os.path.realpath(other)
    return identity == identity_of(other) or _location_of(one) == _location_of(other)


def lies_in(inner: Path, outer: Path) -> bool:
    """Whether a path leads to a directory, or into it; it need not be there itself."""
    real = Path(os.path.realpath(inner))
    if real.is_relative_to(os.path.realpath(outer)):
        return True
    if (there := identity_of(outer)) is None:
        return False
    if any(identity_of(place) == there for place in (real, *real.parents)):
        return True
    (device, place), (outer_device, outer_place) = _location_of(inner), _location_of(outer)
    return device == outer_device and place.is_relative_to(outer_place)


def mounts_below(outer: Path, shown: Path) -> Iterator[Path]:
    """Mount points beneath a directory that show another one, or a part of it."""
    real, (device, place) = os.path.realpath(outer), _location_of(shown)
    for mount in _list_mounts():
        is_below = mount.point.is_relative_to(real) and mount.point != Path(real)
        is_shown = place.is_relative_to(mount.root) or mount.root.is_relative_to(place)
        if mount.device == device and is_below and is_shown:
            yield mount.point


def is_mount_point(path: Path) -> bool:
    """Whether something is mounted there. A btrfs subvolume has a device number of its own, and is none."""
    mounts = _list_mounts()
    if not mounts:
        return path.is_mount()
    real = Path(os.path.realpath(path))
    return any(mount.point == real for mount in mounts)


def _location_of(path: Path) -> tuple[str, Path]:
    """The file system that a path lies on, and where in it, whatever it is mounted as."""
    real = Path(os.path.realpath(path))
    # Of several mounts at one point the last hides the others.
    covering = [mount for mount in _list_mounts() if real.is_relative_to(mount.point)]
    if not covering:
        return "", real
    mount = max(reversed(covering), key=lambda mount: len(mount.point.parts))
    return mount.device, mount.root / real.relative_to(mount.point)


def _list_mounts() -> list[Mount]:
    try:
        with open(_MOUNTS, "rb") as file:
            lines = [os.fsdecode(line).split(" ") for line in file]
    except OSError:
        return []
    return [Mount(line[2], _unescape(line[3]), _unescape(line[4])) for line in lines]


def _unescape(text: str) -> Path:
    return Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), text))
