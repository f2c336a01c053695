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
    root: str
    point: str


def identity_of(path: str | os.PathLike[str]) -> Identity | None:
    """Device and inode of what a path leads to; None if nothing is there."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


class Mounts:
    """What is mounted where, as it was when this was made.

    Read once for a stage, which asks a dozen times: machines that run containers have hundreds of mounts.
    """

    def __init__(self) -> None:
        self._all = _list_mounts()

    def is_same(self, one: Path, other: Path) -> bool:
        """Whether two paths lead to one directory, or would."""
        identity = identity_of(one)
        if identity is None:
            return os.path.realpath(one) == os.path.realpath(other)
        return identity == identity_of(other) or self._location_of(one) == self._location_of(other)

    def lies_in(self, inner: Path, outer: Path) -> bool:
        """Whether a path leads to a directory, or into it; it need not be there itself."""
        real = Path(os.path.realpath(inner))
        if real.is_relative_to(os.path.realpath(outer)):
            return True
        if (there := identity_of(outer)) is None:
            return False
        if any(identity_of(place) == there for place in (real, *real.parents)):
            return True
        (device, place), (outer_device, outer_place) = self._location_of(inner), self._location_of(outer)
        return device == outer_device and _is_within(place, outer_place)

    def below(self, outer: Path, shown: Path) -> Iterator[str]:
        """Mount points beneath a directory that show another one, or a part of it."""
        real, (device, place) = os.path.realpath(outer), self._location_of(shown)
        for mount in self._all:
            if mount.device != device or mount.point == real or not _is_within(mount.point, real):
                continue
            if _is_within(place, mount.root) or _is_within(mount.root, place):
                yield mount.point

    def is_point(self, path: Path) -> bool:
        """Whether something is mounted there. A btrfs subvolume has a device number of its own, and is none."""
        if not self._all:
            return path.is_mount()
        real = os.path.realpath(path)
        return any(mount.point == real for mount in self._all)

    def _location_of(self, path: Path) -> tuple[str, str]:
        """The file system that a path lies on, and where in it, whatever it is mounted as."""
        real = os.path.realpath(path)
        # Of several mounts at one point the last hides the others.
        covering = [mount for mount in self._all if _is_within(real, mount.point)]
        if not covering:
            return "", real
        mount = max(reversed(covering), key=lambda mount: len(mount.point))
        rest = real[len(mount.point) :].strip("/")
        return mount.device, os.path.join(mount.root, rest) if rest else mount.root


def _is_within(inner: str, outer: str) -> bool:
    """Whether a real path is another one, or below it."""
    return inner == outer or inner.startswith(outer if outer.endswith("/") else f"{outer}/")


def _list_mounts() -> list[Mount]:
    try:
        with open(_MOUNTS, "rb") as file:
            lines = [os.fsdecode(line).split(" ") for line in file]
    except OSError:
        return []
    return [Mount(line[2], _unescape(line[3]), _unescape(line[4])) for line in lines]


def _unescape(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
