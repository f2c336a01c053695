"""A directory seen through a FUSE file system in which names that differ only in case are one.

As on disks of macOS and Windows that are shared over the network::

    python -m tests.power.folding_server directory seen-at
"""

from __future__ import annotations

import os
import sys
from typing import Any

import mfusepy

from tests.power.served import READY


class FoldingServer(mfusepy.Operations):
    use_ns = True

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def _at(self, path: str) -> str:
        return self._directory + path.lower()

    def init(self, path: str) -> None:
        print(READY, flush=True)

    def getattr(self, path: str, fh: object = None) -> dict[str, Any]:
        status = os.lstat(self._at(path))
        times = {f"st_{which}time": getattr(status, f"st_{which}time_ns") for which in "amc"}
        return {name: getattr(status, name) for name in ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size")} | times

    def readdir(self, path: str, fh: object) -> list[str]:
        return [".", "..", *os.listdir(self._at(path))]

    def create(self, path: str, mode: int, fi: object = None) -> int:
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags & ~os.O_NOFOLLOW)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def truncate(self, path: str, length: int, fh: object = None) -> int:
        os.truncate(self._at(path), length)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        os.mkdir(self._at(path), mode)
        return 0

    def rename(self, old: str, new: str) -> int:
        os.rename(self._at(old), self._at(new))
        return 0

    def link(self, target: str, source: str) -> int:
        os.link(self._at(source), self._at(target))
        return 0

    def unlink(self, path: str) -> int:
        os.unlink(self._at(path))
        return 0

    def rmdir(self, path: str) -> int:
        os.rmdir(self._at(path))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        os.chmod(self._at(path), mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        os.chown(self._at(path), uid, gid)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        os.utime(self._at(path), ns=times)
        return 0


if __name__ == "__main__":
    directory, seen_at = sys.argv[1:]
    mfusepy.FUSE(FoldingServer(directory), seen_at, foreground=True, nothreads=True)
