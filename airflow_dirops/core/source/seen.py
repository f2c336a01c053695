"""What a look at a bare directory adds up to, in a few numbers, which tell whether it is still so."""

from __future__ import annotations

import hashlib
import os

from airflow_dirops.core.format.pins import SeenListing

_ALL_DIGESTS = 1 << 256


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
