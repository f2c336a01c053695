"""What users see of one input of a stage, and of one entry of a snapshot."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from airflow_dirops.core.errors import ArgumentRefused


class Opener(Protocol):
    """What opens the file of a record, and decodes it."""

    def path_of(self, entry: Any) -> Any:
        """A path that opens it; of joined sources a list."""

    def read(self, entry: Any) -> Any:
        """Its value."""


class Record:
    """A key, and the file that it names.

    Iterating over a snapshot gives records; so does the iterator of ``aggregate=``; and any function gets its own that
    asks for ``record``. A record can be pickled, for another process: its value goes with it.

    :param key: the path of the file without its last suffix; in a roll-up behind the name of the partition.
    :param entry: the file: ``entry.path`` relative to the directory that it lies in, ``entry.size`` in bytes, and
        ``entry.digest``, None where no stage wrote it. In an aggregate of joined sources a list, with None where a
        source has nothing, and so is ``path``.
    :param opener: opens it.
    :param partition: the partition that it is from, by the manifest; None where that has none, or no stage wrote it.
    """

    __slots__ = ("_opener", "entry", "key", "partition")

    def __init__(self, key: str, entry: Any, opener: Opener, partition: str | None = None) -> None:
        self.key = key
        self.entry = entry
        self.partition = partition
        self._opener = opener

    @property
    def path(self) -> Any:
        """A path that opens this very file while its snapshot is open, also after the target was replaced."""
        return self._opener.path_of(self.entry)

    @property
    def value(self) -> Any:
        """The decoded value; in an aggregate what was read, elsewhere read anew at each use.

        :raises ArgumentRefused: if no stage wrote the file, so that nothing says how to decode it.
        """
        return self._opener.read(self.entry)

    def within(self, partition: str) -> Record:
        """The same record under the key that it has in a roll-up."""
        return Record(f"{partition}/{self.key}", self.entry, self._opener, partition)

    def __reduce__(self) -> tuple[Any, ...]:
        # What is held open stays here.
        opener = self._opener if isinstance(self._opener, Taken | Undecoded) else Taken(self.path, self.value)
        return Record, (self.key, self.entry, opener, self.partition)

    def __repr__(self) -> str:
        return f"Record(key={self.key!r})"


class Taken(NamedTuple):
    """A file that has been read."""

    path: Any
    value: Any

    def path_of(self, entry: Any) -> Any:  # noqa: ARG002 - there is but one
        """The path that it was read from."""
        return self.path

    def read(self, entry: Any) -> Any:  # noqa: ARG002 - there is but one
        """What was read."""
        return self.value


class Undecoded(NamedTuple):
    """A file that no stage wrote."""

    path: str

    def path_of(self, entry: Any) -> str:  # noqa: ARG002 - there is but one
        """Where it lies."""
        return self.path

    def read(self, entry: Any) -> Any:  # noqa: ARG002 - there is but one
        """Refused."""
        raise ArgumentRefused(
            f"nothing says how to decode {self.path!r}, which no stage committed; "
            "give read=, a function that takes a path, or name a stage's target as the source"
        )
