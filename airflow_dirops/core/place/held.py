"""A snapshot that is held open, whatever becomes of the target."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from io import BufferedReader
from typing import NamedTuple, Protocol

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.stage.policies import Replaceable


class FileStatus(NamedTuple):
    """Of a regular file of a snapshot."""

    size: int
    mtime_ns: int


class Held(Protocol):
    """A snapshot, held open: nothing removes it until it is closed, and a commit that replaces it changes nothing."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def name(self) -> str:
        """What it was opened by: a path or URL, for messages."""

    @property
    def sealed_ns(self) -> int:
        """When its header was written, by the clock of the place."""

    def open(self, path: str) -> BufferedReader:
        """Open a file of it for reading.

        :param path: relative to the snapshot; of an entry or of a list.
        :raises SnapshotDamaged: if there is no regular file; its cause is the ``OSError``.
        :raises SnapshotExpired: if it was removed all the same.
        :raises StorageError: if it cannot be opened, and may be whole.
        """

    def status(self, path: str) -> FileStatus | None:
        """What is known of a file without reading it; None if there is no regular file.

        :raises StorageError: if that cannot be told.
        """

    def local(self, path: str) -> AbstractContextManager[str]:
        """A path string that opens this very file for as long as the block lasts, in children of this process too."""

    def path_of(self, path: str) -> str:
        """As :meth:`local`, for as long as the snapshot is held."""

    def explain(self, error: OSError, path: str) -> DiropsError:
        """What it means that reading a file of it failed: something about the snapshot, or about the machine."""

    def iter_files(self) -> Iterator[str]:
        """Every file that lies there, listed or not, but those of its manifest; in no order."""

    def count_files(self) -> int:
        """How many files :meth:`iter_files` would give."""

    def close(self) -> None: ...


class Kept(Protocol):
    """A snapshot that can be read: the current one, or a retired one."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def is_current(self) -> bool: ...

    @property
    def name(self) -> str:
        """Where it lies: a path or URL, for people."""

    def hold(self) -> Held:
        """Keep it open.

        :raises ManifestMissing: if it is gone by now.
        """


class OnHold(Kept, Protocol):
    """A sealed snapshot that waits for somebody to publish or reject it."""

    @property
    def until(self) -> float:
        """When its time is over, in seconds since the epoch."""

    @property
    def may_replace(self) -> Collection[Replaceable]:
        """What else than its stage's own snapshots it may replace."""


def name_in(held: Held, path: str) -> str:
    """A file of a snapshot, for messages."""
    return f"{held.name}/{path}"


def not_as_listed(where: str, what: str) -> str:
    """The message for an entry that is not what its manifest says.

    :param what: what is wrong with it.
    """
    return (
        f"{where!r} is not what its manifest says: {what}; run its stage with redo='damaged', or roll the target back"
    )
