"""What a look at a bare directory saw, in a few numbers, which tell whether it is still so."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.members import Count, Digest, Number

_ALL_DIGESTS = 1 << 256


class SeenListing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The files of a directory as one look saw them.

    :param pattern: which files were looked at.
    :param files: how many there were.
    :param bytes: how large they were together.
    :param digest: over their paths, sizes and times of modification.
    :param changed_ns: when the last of them was written, renamed or otherwise touched, in nanoseconds of the file
        system's clock; what has changed later was not seen.
    :param marker: a file that only says that the others are complete, and is none of them.
    :param follow_symlinks: whether links to directories were followed.
    """

    pattern: str
    files: Count
    bytes: Count
    digest: Digest
    changed_ns: Number
    marker: str | None = None
    follow_symlinks: bool = False

    @classmethod
    def of(cls, listing: Any) -> SeenListing:
        """A listing that was handed on, checked.

        :param listing: as :meth:`to_dict` gave it.
        :raises ArgumentRefused: if it is anything else.
        """
        try:
            return msgspec.convert(listing, cls)
        except msgspec.ValidationError as error:
            raise ArgumentRefused(
                f"a source that pins a listing needs what a DirectorySensor returned, unaltered: {error}; give that, "
                "or the directory's path alone"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """It as plain values, small for any number of files."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class Tally:
    """Adds files up, in whatever order they come."""

    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0
        self.changed_ns = 0
        self.newest = ""
        self._sum = 0

    def add(self, path: str, size: int, mtime_ns: int | None, changed_ns: int) -> None:
        """Take one more file in.

        :param changed_ns: when its name, content or status last changed.
        """
        self.files += 1
        self.bytes += size
        if changed_ns > self.changed_ns:
            self.changed_ns, self.newest = changed_ns, path
        line = b"%d %d %b" % (size, mtime_ns or 0, os.fsencode(path))
        # A sum needs no order, and so no list of a million names.
        self._sum += int.from_bytes(hashlib.sha256(line).digest())

    @property
    def digest(self) -> str:
        return f"{self._sum % _ALL_DIGESTS:064x}"

    def is_of(self, seen: SeenListing) -> bool:
        """Whether these are the files that were seen."""
        return (self.files, self.digest) == (seen.files, seen.digest)

    def with_all(self, other: Tally) -> Tally:
        """Both together."""
        both = Tally()
        both.files, both.bytes = self.files + other.files, self.bytes + other.bytes
        both._sum = self._sum + other._sum
        newest = max((self, other), key=lambda tally: tally.changed_ns)
        both.changed_ns, both.newest = newest.changed_ns, newest.newest
        return both


def pins_listing(source: Mapping[str, Any]) -> bool:
    """Whether a source that is a mapping pins what a look saw, and not a snapshot."""
    return "listing" in source
