"""Disks that are files: made, mounted, filled, made read-only, and cut off from power."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import needs

# <linux/fs.h> of ext4 and xfs: stop all writing at once, and do not even flush the log first.
_FS_IOC_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = struct.pack("I", 2)

# Discards would be writes that nobody asked for; small journals make many states fit into a small log.
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f", "-K"],
}
# What mkfs.xfs makes at least; files with holes, so it costs nothing.
SIZES = {"ext4": 64 << 20, "xfs": 300 << 20}


@dataclass(frozen=True)
class Disk:
    """A file system in a file.

    :param kind: ``ext4`` or ``xfs``.
    :param where: where it is mounted.
    """

    kind: str
    image: Path
    where: Path

    @classmethod
    def make(cls, kind: str, directory: Path, size: int | None = None, options: tuple[str, ...] = ()) -> Disk:
        """Make one, not yet mounted."""
        disk = cls(kind, directory / f"{kind}.img", directory / kind)
        disk.where.mkdir(exist_ok=True)
        with disk.image.open("wb") as file:
            file.truncate(size or SIZES[kind])
        run(*MAKE[kind], *options, disk.image)
        return disk

    def mount(self) -> None:
        run("mount", "-t", self.kind, "-o", "loop", self.image, self.where)

    def unmount(self) -> None:
        run("umount", self.where)

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        self.mount()
        try:
            yield self.where
        finally:
            self.unmount()

    def cut_power(self) -> None:
        """From now on nothing reaches the disk; what was not synced is gone at the next mount."""
        descriptor = os.open(self.where, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _FS_IOC_SHUTDOWN, _NO_LOG_FLUSH)
        finally:
            os.close(descriptor)

    def come_back(self) -> None:
        """Mount it again, which replays its log."""
        self.unmount()
        self.mount()


def copy_image(image: Path, copy: Path) -> None:
    """Copy a disk's image, and leave out its holes."""
    run("cp", "--sparse=auto", image, copy)


def run(*command: str | Path, answers: tuple[int, ...] = (0,)) -> None:
    """Run a command that must succeed, as its answer tells; what it says belongs to the error."""
    done = subprocess.run([os.fspath(part) for part in command], capture_output=True, text=True)
    if done.returncode not in answers:
        raise RuntimeError(f"{' '.join(map(os.fspath, command))}: {done.stderr.strip() or done.stdout.strip()}")


def need_disks(*tools: str) -> None:
    """Skip the test where no disks can be made, or one of these tools is missing."""
    needs.root("to mount file systems")
    needs.device("/dev/loop-control")
    needs.programs("mount", "umount", *tools)
