"""Entries, inputs and keys, and the rules for the paths that name them.

Paths are ``str`` as ``os.fsdecode`` gives them: a name that is not UTF-8 carries surrogate escapes.
"""

from __future__ import annotations

import os
import re
import sys

import msgspec

from airflow_dirops.core.errors import KeyRefused
from airflow_dirops.core.format.members import MOST, Count, Digest, InputDigest, Number

MANIFEST_DIRECTORY = "_dirops"
CONTROL_DIRECTORY = ".dirops"
RESERVED = frozenset({MANIFEST_DIRECTORY, CONTROL_DIRECTORY})

# What ext4, xfs, btrfs, tmpfs and NFS take; PATH_MAX less room for the directories above the target.
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 3072
# What walks a tree by recursion, as Python 3.11 does, ends near a thousand.
MAX_PARTS = 255

# As ``os.fsencode`` and ``os.fsdecode`` do it, which cost a few times more: every name is encoded several times a run.
_ENCODING = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_PLAIN = rf"(?=.{{1,{MAX_NAME_BYTES}}}\Z)[A-Za-z0-9][\w -]*(?:\.\w+)*(?:/[A-Za-z0-9][\w -]*(?:\.\w+)*)*"


class Entry(msgspec.Struct, frozen=True):
    """One file of a snapshot: its path relative to the target, its size in bytes, its digest in hex."""

    path: str
    size: Count
    digest: Digest


class Input(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a source, and what tells whether it changed: a digest where there is one, else its time.

    :param source: which of several joined sources it is from.
    :param parts: the inputs that this one joins.
    :param dangling: it is a link that leads nowhere; its time is the link's own.
    :param beside: a digest over all files of a bare directory that have its key, where it is not the only one.
    """

    path: str
    size: Count
    mtime_ns: Number | None = None
    digest: InputDigest | None = None
    source: Count = 0
    parts: tuple[Input, ...] = ()
    dangling: bool = False
    beside: Digest | None = None

    @property
    def key(self) -> str:
        return key_of(self.path)

    def is_same(self, other: Input) -> bool:
        """Whether this is the same file, unchanged, and so is what lies beside it."""
        mine = (self.path, self.size, self.mtime_ns, self.digest, self.beside)
        return mine == (other.path, other.size, other.mtime_ns, other.digest, other.beside)


def mtime_ns_of(status: os.stat_result) -> int:
    """The modification time of a file, as documents have it: what does not fit into 64 bits is the nearest that does.

    That are times before 1677 and after 2262, which many file systems keep.
    """
    mtime_ns = status.st_mtime_ns
    return mtime_ns if -MOST <= mtime_ns <= MOST else MOST if mtime_ns > 0 else -MOST


is_plain = re.compile(_PLAIN, re.ASCII).fullmatch
"""Whether a path is one of the most that are so plain that nothing can be wrong with them."""

EVERY_INPUT = Input("", 0)
"""Stands for all inputs of an aggregate at once; no file has an empty name."""


def key_of(path: str) -> str:
    """The name of a record: the path of its entry without the last suffix; dots that begin a name begin no suffix."""
    stem, _, suffix = path.rpartition(".")
    if not stem or "/" in suffix:
        return path
    return path if stem[-1] in "./" and not stem[stem.rfind("/") + 1 :].strip(".") else stem


def order_of(path: str) -> bytes:
    """What inputs are sorted by: bytewise by key, then by path, so that inputs sharing a key are neighbours."""
    return b"%b\0%b" % (key_of(path).encode(*_ENCODING), path.encode(*_ENCODING))


def path_at(order: bytes) -> str:
    """The path that was sorted by :func:`order_of`."""
    return order[order.index(0) + 1 :].decode(*_ENCODING)


def output_path(key: str, suffix: str) -> str:
    """The entry that a record is stored as.

    :param key: from a user's function or an input's name; relative, POSIX.
    :param suffix: the codec's, such as ``".npy"``.
    :raises KeyRefused: if the key could leave the target, hide in it, or not be a file name at all.
    """
    path = f"{key}{suffix}"
    if problem := path_problem(key) or path_problem(path) or _ambiguity(key, path):
        raise KeyRefused(f"the key {key!r} cannot name a file in the target: {problem}")
    return path


def _ambiguity(key: str, path: str) -> str | None:
    back = key_of(path)
    return f"as {path!r} it would be read back as {back!r}" if back != key else None


def path_problem(path: object) -> str | None:
    """Why this is no path of an entry, or None if it is one."""
    if not isinstance(path, str):
        return f"it is a {type(path).__name__}, and a path is a str"
    if is_plain(path):
        return None
    if not path:
        return "it is empty"
    if "\0" in path:
        return "it contains a NUL character"
    if path.startswith("/"):
        return "it is absolute"
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        return "it contains characters that no file name can hold"
    if len(encoded) > MAX_PATH_BYTES:
        return f"it is longer than {MAX_PATH_BYTES} bytes"
    return _component_problem(encoded.split(b"/"))


def _component_problem(components: list[bytes]) -> str | None:
    if len(components) > MAX_PARTS:
        return f"it has more than {MAX_PARTS} parts"
    for component in components:
        if component in (b"", b".", b".."):
            return f"{os.fsdecode(component)!r} is not allowed as a part of it"
        if os.fsdecode(component) in RESERVED:
            return f"{os.fsdecode(component)!r} is reserved for manifests and staging"
        if len(component) > MAX_NAME_BYTES:
            return f"a part of it is longer than {MAX_NAME_BYTES} bytes"
    return None
