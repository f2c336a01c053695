"""A disk image as the only file of a FUSE file system, which logs each write and flush before it answers.

What ``dm-log-writes`` does, where the kernel has no device mapper: a loop device on that file sends every flush of the
file system as an fsync::

    python -m tests.power.logging_server image log directory
"""

from __future__ import annotations

import errno
import os
import stat
import sys

import mfusepy

from tests.power.block_log import Write, append
from tests.power.served import DISK, READY


class LoggingServer(mfusepy.Operations):
    use_ns = True

    def __init__(self, image: str, log: str) -> None:
        self._image = os.open(image, os.O_RDWR)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def init(self, path: str) -> None:
        print(READY, flush=True)

    def getattr(self, path: str, fh: object = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path != f"/{DISK}":
            raise mfusepy.FuseOSError(errno.ENOENT)
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": os.fstat(self._image).st_size}

    def open(self, path: str, fi: mfusepy.fuse_file_info) -> int:
        fi.direct_io = 1  # no cache of the kernel between the loop device and the log
        return 0

    def read(self, path: str, size: int, offset: int, fh: object) -> bytes:
        return os.pread(self._image, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: object) -> int:
        append(self._log, Write(offset, data))
        return os.pwrite(self._image, data, offset)

    def fsync(self, path: str, datasync: int, fh: object) -> int:
        append(self._log, None)
        return 0


if __name__ == "__main__":
    image, log, directory = sys.argv[1:]
    mfusepy.FUSE(LoggingServer(image, log), directory, raw_fi=True, foreground=True, nothreads=True)
