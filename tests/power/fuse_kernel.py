"""FUSE as the kernel speaks it, without libfuse, which names files by their paths: here they have numbers.

What is served is a class with a method for each operation of :data:`OPERATIONS`. See <linux/fuse.h>.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple

ROOT_NUMBER = 1
LARGEST_WRITE = 128 << 10
BIG_WRITES, FLOCK_LOCKS, AUTO_INVAL_DATA = 1 << 5, 1 << 10, 1 << 12
NO_ANSWER = b"no answer"

_LIBC = ctypes.CDLL(None, use_errno=True)
_HEAD = struct.Struct("<IIQQIIII")

OPERATIONS = {
    1: "look_up",
    2: "forget",
    3: "attributes",
    4: "change",
    5: "leads_to",
    6: "make_link",
    9: "make_directory",
    10: "remove",
    11: "remove_directory",
    12: "rename",
    13: "link",
    14: "open",
    15: "read",
    16: "write",
    17: "space",
    18: "release",
    20: "sync",
    25: "flush",
    26: "begin",
    27: "open_directory",
    28: "read_directory",
    29: "release_directory",
    30: "sync_directory",
    32: "lock",
    35: "create",
    42: "forget_many",
}


class FileStatus(NamedTuple):
    """What ``stat`` shows of a file; times in seconds and nanoseconds."""

    inode: int
    mode: int
    links: int
    uid: int
    gid: int
    size: int
    used: int
    atime: tuple[int, int]
    mtime: tuple[int, int]
    ctime: tuple[int, int]


class Connection:
    """A mount, and the kernel's requests on it.

    :param where: the directory that it is mounted on, as root.
    """

    def __init__(self, where: str) -> None:
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other"
        if _LIBC.mount(b"dirops-test", os.fsencode(where), b"fuse", 0, options.encode()):
            raise OSError(number := ctypes.get_errno(), os.strerror(number), where)

    def serve(self, operations: object, begun: Callable[[], None]) -> None:
        """Answer the kernel until the directory is unmounted."""
        while (request := self._next()) is not None:
            _, code, unique, number, uid, gid, *_ = _HEAD.unpack_from(request)
            try:
                operation = getattr(operations, OPERATIONS.get(code, ""), None)
                if operation is None:
                    raise OSError(errno.ENOSYS, f"operation {code}")
                operations.user = uid, gid
                content, status = operation(number, request[_HEAD.size :]), 0
            except OSError as error:
                content, status = b"", error.errno or errno.EIO
            if content is not NO_ANSWER:
                self._write(struct.pack("<IiQ", 16 + len(content), -status, unique) + content)
            if OPERATIONS.get(code) == "begin":
                begun()

    def _next(self) -> bytes | None:
        while True:
            try:
                return os.read(self._device, LARGEST_WRITE + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:  # unmounted
                    return None
                if error.errno not in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    raise

    def _write(self, message: bytes) -> None:
        try:
            os.write(self._device, message)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):  # whoever asked was killed meanwhile
                raise


def pack_status(status: FileStatus) -> bytes:
    (atime, atime_ns), (mtime, mtime_ns), (ctime, ctime_ns) = status.atime, status.mtime, status.ctime
    sizes = status.inode, status.size, (status.used + 511) // 512
    owner = status.mode, status.links, status.uid, status.gid
    return struct.pack("<6Q10I", *sizes, atime, mtime, ctime, atime_ns, mtime_ns, ctime_ns, *owner, 0, 4096, 0)


def pack_attributes(status: FileStatus) -> bytes:
    """A file's status, for this once: the kernel asks again the next time."""
    return bytes(16) + pack_status(status)


def pack_entry(number: int, status: FileStatus) -> bytes:
    """The file that a name leads to, for this once."""
    return struct.pack("<Q32x", number) + pack_status(status)


def pack_opened(handle: int = 0) -> bytes:
    return struct.pack("<QIi", handle, 0, 0)


def pack_names(names: Iterable[tuple[int, bytes]], skip: int, size: int) -> bytes:
    """As many entries of a directory as there is room for."""
    packed = b""
    for position, (inode, name) in enumerate(names, 1):
        if position <= skip:
            continue
        entry = struct.pack("<QQII", inode, position, len(name), 0) + name + bytes(-len(name) % 8)
        if len(packed) + len(entry) > size:
            break
        packed += entry
    return packed


def pack_beginning(asked: bytes, wanted: int) -> bytes:
    """The answer to the first request: version 7.31, and those of the wanted flags that the kernel offers."""
    _, _, read_ahead, offered = struct.unpack_from("<4I", asked)
    return struct.pack("<4I2H2I2H2I24x", 7, 31, read_ahead, offered & wanted, 12, 9, LARGEST_WRITE, 1, 0, 0, 0, 0)
