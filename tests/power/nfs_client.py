"""NFS version 3 as a client speaks it, one call after the other: RFC 1813, and NLM 4 for its locks."""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

# In place of a time: when the server does it.
NOW = (-1, -1)
PORTS = {"nfs": 2049, "mount": 20048, "nlm": 32803}
_PROGRAMS = {"nfs": (100003, 3), "mount": (100005, 3), "nlm": (100021, 4)}

_GETATTR, _SETATTR, _LOOKUP, _READLINK, _READ, _WRITE = 1, 2, 3, 5, 6, 7
_CREATE, _MKDIR, _SYMLINK, _REMOVE, _RMDIR, _RENAME, _LINK, _READDIR = 8, 9, 10, 12, 13, 14, 15, 16
_FSSTAT, _COMMIT = 18, 21
_UNCHECKED, _GUARDED = 0, 1
_FILE_SYNC = 2
_STALE = (70, 10001)
_TRY_LATER = 10008
_TRIES = 250
_NAMED_OTHERWISE = {63: errno.ENAMETOOLONG, 66: errno.ENOTEMPTY, 69: errno.EDQUOT, 70: errno.ESTALE}
_NAMED_OTHERWISE |= {10001: errno.ESTALE, 10004: errno.EOPNOTSUPP}

_ATTRIBUTES = struct.Struct(">5I2Q2I2Q6I")
_CACHED_ATTRIBUTES_BEFORE = 24


class Attributes(NamedTuple):
    """fattr3."""

    kind: int
    mode: int
    links: int
    uid: int
    gid: int
    size: int
    used: int
    major: int
    minor: int
    file_system: int
    number: int
    atime: int
    atime_ns: int
    mtime: int
    mtime_ns: int
    ctime: int
    ctime_ns: int


class Found(NamedTuple):
    handle: bytes
    attributes: Attributes


class _Answer:
    """What came back, taken apart from the front."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at = raw, 0

    def take(self, form: str) -> tuple:
        values = struct.unpack_from(form, self._raw, self._at)
        self._at += struct.calcsize(form)
        return values

    def number(self) -> int:
        return self.take(">I")[0]

    def opaque(self) -> bytes:
        length = self.number()
        start, self._at = self._at, self._at + length + (-length % 4)
        return self._raw[start : start + length]

    def attributes(self) -> Attributes:
        return Attributes(*self.take(_ATTRIBUTES.format))

    def attributes_if_any(self) -> Attributes | None:
        return self.attributes() if self.number() else None

    def changes(self) -> None:
        """wcc_data: a directory before and after."""
        if self.number():
            self._at += _CACHED_ATTRIBUTES_BEFORE
        self.attributes_if_any()


def _opaque(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value + bytes(-len(value) % 4)


class Remote:
    """One program of the server."""

    def __init__(self, name: str, host: str = "127.0.0.1") -> None:
        self._program, self._version = _PROGRAMS[name]
        self._socket = socket.create_connection((host, PORTS[name]), timeout=30)
        self._number = int.from_bytes(os.urandom(3))

    def call(self, procedure: int, arguments: bytes, user: tuple[int, int] = (0, 0)) -> _Answer:
        self._number += 1
        who = _opaque(struct.pack(">I", 0) + _opaque(socket.gethostname().encode()) + struct.pack(">3I", *user, 0))
        head = struct.pack(">6I", self._number, 0, 2, self._program, self._version, procedure)
        message = head + struct.pack(">I", 1) + who + struct.pack(">2I", 0, 0) + arguments
        self._socket.sendall(struct.pack(">I", 1 << 31 | len(message)) + message)
        answer = _Answer(self._receive())
        if answer.take(">3I") != (self._number, 1, 0):
            raise OSError(errno.EIO, "the call was denied")
        answer.number()
        answer.opaque()
        if status := answer.number():
            raise OSError(errno.EIO, f"the call was not accepted: {status}")
        return answer

    def _receive(self) -> bytes:
        message, is_last = b"", False
        while not is_last:
            (mark,) = struct.unpack(">I", self._exactly(4))
            is_last = bool(mark >> 31)
            message += self._exactly(mark & 0x7FFFFFFF)
        return message

    def _exactly(self, length: int) -> bytes:
        received = b""
        while len(received) < length:
            if not (more := self._socket.recv(length - len(received))):
                raise OSError(errno.EIO, "the server hung up")
            received += more
        return received


def changed(
    mode: int | None = None,
    uid: int | None = None,
    gid: int | None = None,
    size: int | None = None,
    times: Sequence[tuple[int, int] | None] = (None, None),
) -> bytes:
    """sattr3: what to set, and the rest as it is.

    :param times: the last access and the last change, in seconds and nanoseconds or :data:`NOW`.
    """
    parts = [b"\0\0\0\0" if value is None else struct.pack(">II", 1, value) for value in (mode, uid, gid)]
    parts.append(b"\0\0\0\0" if size is None else struct.pack(">IQ", 1, size))
    parts += [_moment(moment) for moment in times]
    return b"".join(parts)


def _moment(moment: tuple[int, int] | None) -> bytes:
    if moment is None or moment == NOW:
        return struct.pack(">I", 1 if moment else 0)
    return struct.pack(">III", 2, *moment)


class Export:
    """An export that is mounted: a file is named by its handle, which stays the same when it is renamed.

    Every method raises ``OSError`` with what the server answered.

    :ivar user: user and group id of whoever asks.
    :ivar when_stale: called when a handle leads nowhere any more.
    """

    def __init__(self, path: str) -> None:
        answer = Remote("mount").call(1, _opaque(path.encode()))
        if status := answer.number():
            raise OSError(status, os.strerror(status), path)
        self.root = answer.opaque()
        self._nfs = Remote("nfs")
        self.user = (0, 0)
        self.when_stale: Callable[[], None] = lambda: None

    def _call(self, procedure: int, *arguments: bytes) -> _Answer:
        for _ in range(_TRIES):
            answer = self._nfs.call(procedure, b"".join(arguments), self.user)
            if (status := answer.number()) == 0:
                return answer
            if status != _TRY_LATER:
                if status in _STALE:
                    self.when_stale()
                raise OSError(number := _NAMED_OTHERWISE.get(status, status), os.strerror(number))
            time.sleep(0.02)
        raise OSError(errno.EIO, "the server goes on asking to try later")

    def attributes(self, handle: bytes) -> Attributes:
        return self._call(_GETATTR, _opaque(handle)).attributes()

    def change(self, handle: bytes, changes: bytes) -> None:
        self._call(_SETATTR, _opaque(handle), changes, struct.pack(">I", 0))

    def look_up(self, parent: bytes, name: bytes) -> Found:
        answer = self._call(_LOOKUP, _opaque(parent), _opaque(name))
        handle = answer.opaque()
        return Found(handle, answer.attributes_if_any() or self.attributes(handle))

    def read(self, handle: bytes, offset: int, size: int) -> bytes:
        answer = self._call(_READ, _opaque(handle), struct.pack(">QI", offset, size))
        answer.attributes_if_any()
        answer.take(">II")
        return answer.opaque()

    def write(self, handle: bytes, offset: int, data: bytes) -> int:
        answer = self._call(_WRITE, _opaque(handle), struct.pack(">QII", offset, len(data), _FILE_SYNC), _opaque(data))
        answer.changes()
        return answer.number()

    def create(self, parent: bytes, name: bytes, mode: int, is_new: bool) -> Found:
        how = struct.pack(">I", _GUARDED if is_new else _UNCHECKED)
        return self._made(_CREATE, parent, name, how + changed(mode))

    def make_directory(self, parent: bytes, name: bytes, mode: int) -> Found:
        return self._made(_MKDIR, parent, name, changed(mode))

    def make_link(self, parent: bytes, name: bytes, leads_to: bytes) -> Found:
        return self._made(_SYMLINK, parent, name, changed() + _opaque(leads_to))

    def _made(self, procedure: int, parent: bytes, name: bytes, how: bytes) -> Found:
        answer = self._call(procedure, _opaque(parent), _opaque(name), how)
        if answer.number():
            handle = answer.opaque()
            return Found(handle, answer.attributes_if_any() or self.attributes(handle))
        return self.look_up(parent, name)

    def link(self, handle: bytes, parent: bytes, name: bytes) -> None:
        self._call(_LINK, _opaque(handle), _opaque(parent), _opaque(name))

    def remove(self, parent: bytes, name: bytes) -> None:
        self._call(_REMOVE, _opaque(parent), _opaque(name))

    def remove_directory(self, parent: bytes, name: bytes) -> None:
        self._call(_RMDIR, _opaque(parent), _opaque(name))

    def rename(self, parent: bytes, name: bytes, new_parent: bytes, new_name: bytes) -> None:
        self._call(_RENAME, _opaque(parent), _opaque(name), _opaque(new_parent), _opaque(new_name))

    def leads_to(self, handle: bytes) -> bytes:
        answer = self._call(_READLINK, _opaque(handle))
        answer.attributes_if_any()
        return answer.opaque()

    def iter_names(self, handle: bytes) -> Iterator[tuple[int, bytes]]:
        """Inode number and name of each entry, ``.`` and ``..`` too."""
        cookie, verifier, is_end = 0, bytes(8), False
        while not is_end:
            answer = self._call(_READDIR, _opaque(handle), struct.pack(">Q8sI", cookie, verifier, 32768))
            answer.attributes_if_any()
            (verifier,) = answer.take(">8s")
            while answer.number():
                (number,) = answer.take(">Q")
                name = answer.opaque()
                (cookie,) = answer.take(">Q")
                yield number, name
            is_end = bool(answer.number())

    def commit(self, handle: bytes) -> None:
        self._call(_COMMIT, _opaque(handle), struct.pack(">QI", 0, 0))

    def space(self, handle: bytes) -> tuple[int, ...]:
        """Bytes in all, free, and free for us; files likewise."""
        answer = self._call(_FSSTAT, _opaque(handle))
        answer.attributes_if_any()
        return answer.take(">6Q")


class Locks:
    """Locks on whole files, kept by the server for all its clients (NLM 4), never waited for."""

    _LOCK, _UNLOCK = 2, 4

    def __init__(self, client: str) -> None:
        self._nlm, self._client = Remote("nlm"), client.encode()

    def lock(self, handle: bytes, owner: int, is_exclusive: bool) -> None:
        """
        :raises BlockingIOError: if somebody else holds it.
        """
        asked = struct.pack(">II", 0, is_exclusive) + self._of(handle, owner) + struct.pack(">Ii", 0, 1)
        self._ask(self._LOCK, asked)

    def unlock(self, handle: bytes, owner: int) -> None:
        self._ask(self._UNLOCK, self._of(handle, owner))

    def _of(self, handle: bytes, owner: int) -> bytes:
        by = struct.pack(">Q", owner)
        who = _opaque(self._client) + _opaque(handle) + _opaque(by)
        return who + struct.pack(">IQQ", owner & 0x7FFFFFFF, 0, 0)

    def _ask(self, procedure: int, asked: bytes) -> None:
        answer = self._nlm.call(procedure, _opaque(b"1") + asked)
        answer.opaque()
        if status := answer.number():
            number = errno.EAGAIN if status == 1 else errno.ENOLCK
            raise OSError(number, f"NLM answered {status}")
