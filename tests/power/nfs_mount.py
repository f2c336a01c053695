"""A directory of an NFS server, mounted: a client of NFS 3 in user space, where the kernel brings none.

It has the habits of a kernel's client: files are known by their handles; attributes and names, also names that are not
there, are believed for a while; what is written is at the server before the file is closed, and what is opened is
looked at anew; two names cannot be exchanged; an open file that is removed stays as ``.nfs…`` until it is closed, and
one that another client removes is stale. Locks reach the other mounts, or only the processes on this one::

    python -m tests.power.nfs_mount network-namespace seconds-believed shared|local export seen-at
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import sys
import time
from dataclasses import dataclass

from tests.power import fuse_kernel
from tests.power.fuse_kernel import NO_ANSWER, ROOT_NUMBER, Connection, FileStatus
from tests.power.nfs_believed import Believed
from tests.power.nfs_client import NOW, Attributes, Export, Found, Locks, changed
from tests.power.served import READY

_CLONE_NEWNET = 0x40000000
_MODE, _UID, _GID, _SIZE, _ATIME, _MTIME, _ATIME_NOW, _MTIME_NOW = 1, 2, 4, 8, 16, 32, 128, 256
_UNLOCK_WHEN_RELEASED = 2
_KINDS = {1: 0o100000, 2: 0o040000, 3: 0o060000, 4: 0o020000, 5: 0o120000, 6: 0o140000, 7: 0o010000}


@dataclass
class Node:
    """A file that the kernel knows by number.

    :param looked_up: how often the kernel was told of it and has not said that it forgot.
    :param opened: how often it is open.
    :param hidden: its directory and name, since it was removed while open.
    """

    handle: bytes
    looked_up: int = 0
    opened: int = 0
    hidden: tuple[bytes, bytes] | None = None


class NfsMount:
    """What the kernel asks for, answered by the server or from memory.

    :param believed: the memory.
    """

    def __init__(self, export: Export, believed: Believed, locks: Locks | None) -> None:
        self._export, self._believed, self._locks = export, believed, locks
        self._nodes = {ROOT_NUMBER: Node(export.root, 1)}
        self._numbers = {export.root: ROOT_NUMBER}
        self._last_number = ROOT_NUMBER
        self._directories: dict[int, list[tuple[int, bytes]]] = {}
        self._last_directory = 0

    @property
    def user(self) -> tuple[int, int]:
        return self._export.user

    @user.setter
    def user(self, user: tuple[int, int]) -> None:
        self._export.user = user

    def begin(self, _: int, asked: bytes) -> bytes:
        locks = fuse_kernel.FLOCK_LOCKS if self._locks else 0
        return fuse_kernel.pack_beginning(asked, fuse_kernel.BIG_WRITES | fuse_kernel.AUTO_INVAL_DATA | locks)

    # Names

    def look_up(self, number: int, asked: bytes) -> bytes:
        return self._entry(self._believed.look_up(self._handle(number), asked[:-1]))

    def forget(self, number: int, asked: bytes) -> bytes:
        self._forget(number, *struct.unpack("<Q", asked))
        return NO_ANSWER

    def forget_many(self, _: int, asked: bytes) -> bytes:
        for number, times in struct.iter_unpack("<QQ", asked[8:]):
            self._forget(number, times)
        return NO_ANSWER

    def make_directory(self, number: int, asked: bytes) -> bytes:
        (mode,) = struct.unpack_from("<I", asked)
        found = self._export.make_directory(self._handle(number), asked[8:-1], mode & 0o7777)
        return self._new_entry(number, found)

    def make_link(self, number: int, asked: bytes) -> bytes:
        name, leads_to, _ = asked.split(b"\0")
        return self._new_entry(number, self._export.make_link(self._handle(number), name, leads_to))

    def leads_to(self, number: int, _: bytes) -> bytes:
        return self._export.leads_to(self._handle(number))

    def link(self, number: int, asked: bytes) -> bytes:
        (linked,) = struct.unpack_from("<Q", asked)
        self._export.link(handle := self._handle(linked), self._handle(number), asked[8:-1])
        return self._new_entry(number, Found(handle, self._believed.attributes_anew(handle)))

    def remove(self, number: int, asked: bytes) -> bytes:
        parent, name = self._handle(number), asked[:-1]
        if not self._hide(parent, name):
            self._export.remove(parent, name)
        self._believed.forget(parent)
        return b""

    def remove_directory(self, number: int, asked: bytes) -> bytes:
        self._export.remove_directory(self._handle(number), asked[:-1])
        self._believed.forget(self._handle(number))
        return b""

    def rename(self, number: int, asked: bytes) -> bytes:
        (new_number,) = struct.unpack_from("<Q", asked)
        old, new, _ = asked[8:].split(b"\0")
        self._hide(self._handle(new_number), new)
        self._export.rename(self._handle(number), old, self._handle(new_number), new)
        self._believed.forget(self._handle(number), self._handle(new_number))
        return b""

    def _hide(self, parent: bytes, name: bytes) -> bool:
        """Rename a file that is open here, instead of removing it: the server knows of nobody who has it open."""
        try:
            found = self._export.look_up(parent, name)
        except FileNotFoundError:
            return False
        node = self._nodes.get(self._numbers.get(found.handle, 0))
        if node is None or not node.opened:
            return False
        if node.hidden:
            raise OSError(errno.EBUSY, "it is removed already, and still open")
        hidden = b".nfs%016x%08x" % (found.attributes.number, time.monotonic_ns() & 0xFFFFFFFF)
        self._export.rename(parent, name, parent, hidden)
        node.hidden = parent, hidden
        return True

    # Files

    def attributes(self, number: int, _: bytes) -> bytes:
        return fuse_kernel.pack_attributes(_status(self._believed.attributes(self._handle(number))))

    def change(self, number: int, asked: bytes) -> bytes:
        valid, _, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, _, uid, gid, _ = struct.unpack(
            "<I4x6Q8I", asked
        )
        new_atime = NOW if valid & _ATIME_NOW else (atime, atime_ns) if valid & _ATIME else None
        new_mtime = NOW if valid & _MTIME_NOW else (mtime, mtime_ns) if valid & _MTIME else None
        changes = changed(
            mode & 0o7777 if valid & _MODE else None,
            uid if valid & _UID else None,
            gid if valid & _GID else None,
            size if valid & _SIZE else None,
            (new_atime, new_mtime),
        )
        self._export.change(self._handle(number), changes)
        self._believed.forget(self._handle(number))
        return self.attributes(number, b"")

    def create(self, number: int, asked: bytes) -> bytes:
        flags, mode = struct.unpack_from("<II", asked)
        found = self._export.create(self._handle(number), asked[16:-1], mode & 0o7777, bool(flags & os.O_EXCL))
        entry = self._new_entry(number, found)
        self._nodes[self._numbers[found.handle]].opened += 1
        return entry + fuse_kernel.pack_opened()

    def open(self, number: int, _: bytes) -> bytes:
        self._believed.attributes_anew(self._handle(number))
        self._nodes[number].opened += 1
        return fuse_kernel.pack_opened()

    def read(self, number: int, asked: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", asked)
        return self._export.read(self._handle(number), offset, size)

    def write(self, number: int, asked: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", asked)
        written = self._export.write(self._handle(number), offset, asked[40 : 40 + size])
        self._believed.forget(self._handle(number))
        return struct.pack("<II", written, 0)

    def flush(self, *_: object) -> bytes:
        return b""

    def sync(self, number: int, _: bytes) -> bytes:
        if number in self._nodes:
            self._export.commit(self._handle(number))
        return b""

    def release(self, number: int, asked: bytes) -> bytes:
        _, _, flags, owner = struct.unpack("<QIIQ", asked)
        node = self._nodes[number]
        if self._locks and flags & _UNLOCK_WHEN_RELEASED:
            self._locks.unlock(node.handle, owner)
        node.opened -= 1
        if not node.opened and node.hidden:
            self._export.remove(*node.hidden)
            self._believed.forget(node.hidden[0])
            node.hidden = None
        return b""

    def lock(self, number: int, asked: bytes) -> bytes:
        _, owner, _, _, kind = struct.unpack_from("<4QI", asked)
        if kind == fcntl.F_UNLCK:
            self._locks.unlock(self._handle(number), owner)
        else:
            self._locks.lock(self._handle(number), owner, kind == fcntl.F_WRLCK)
        return b""

    def space(self, number: int, _: bytes) -> bytes:
        blocks, free, available, files, free_files, _ = self._export.space(self._handle(number))
        in_blocks = (size // 4096 for size in (blocks, free, available))
        return struct.pack("<5Q3I28x", *in_blocks, files, free_files, 4096, 255, 4096)

    # Directories

    def open_directory(self, number: int, _: bytes) -> bytes:
        self._believed.attributes_anew(self._handle(number))
        self._last_directory += 1
        self._directories[self._last_directory] = []
        return fuse_kernel.pack_opened(self._last_directory)

    def read_directory(self, number: int, asked: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", asked)
        if offset == 0:
            self._directories[handle] = list(self._export.iter_names(self._handle(number)))
        return fuse_kernel.pack_names(self._directories[handle], offset, size)

    def sync_directory(self, *_: object) -> bytes:
        return b""  # the server has written a name down before it answers

    def release_directory(self, _: int, asked: bytes) -> bytes:
        del self._directories[struct.unpack_from("<Q", asked)[0]]
        return b""

    def _new_entry(self, number: int, found: Found) -> bytes:
        self._believed.forget(self._handle(number))
        return self._entry(found)

    def _entry(self, found: Found) -> bytes:
        if found.handle not in self._numbers:
            self._last_number += 1
            self._numbers[found.handle] = self._last_number
            self._nodes[self._last_number] = Node(found.handle)
        number = self._numbers[found.handle]
        self._nodes[number].looked_up += 1
        return fuse_kernel.pack_entry(number, _status(found.attributes))

    def _handle(self, number: int) -> bytes:
        if number not in self._nodes:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return self._nodes[number].handle

    def _forget(self, number: int, times: int) -> None:
        node = self._nodes[number]
        node.looked_up -= times
        if node.looked_up <= 0 and number != ROOT_NUMBER:
            del self._nodes[number], self._numbers[node.handle]


def _status(seen: Attributes) -> FileStatus:
    return FileStatus(
        inode=seen.number,
        mode=_KINDS[seen.kind] | seen.mode,
        links=seen.links,
        uid=seen.uid,
        gid=seen.gid,
        size=seen.size,
        used=seen.used,
        atime=(seen.atime, seen.atime_ns),
        mtime=(seen.mtime, seen.mtime_ns),
        ctime=(seen.ctime, seen.ctime_ns),
    )


def _enter(network: str) -> None:
    descriptor = os.open(network, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
        raise OSError(number := ctypes.get_errno(), os.strerror(number), network)
    os.close(descriptor)


def main(network: str, believed: str, locks: str, path: str, where: str) -> None:
    _enter(network)
    export, connection = Export(path), Connection(where)
    mount = NfsMount(export, Believed(export, float(believed)), Locks(where) if locks == "shared" else None)
    connection.serve(mount, lambda: print(READY, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
