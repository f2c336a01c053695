"""What a stage reads from: a bare directory, or a snapshot that another stage committed.

Both list their inputs in order, open them, and notice when one is not what was listed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from airflow_dirops.core.beneath import is_damage
from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.entries import Entry, Input, order_of, path_at
from airflow_dirops.core.errors import (
    ArgumentRefused,
    DanglingLink,
    RecordFailed,
    ResourcesExhausted,
    SourceChanged,
    SourceMissing,
    StorageError,
    storage_errors,
)
from airflow_dirops.core.listing import Listing
from airflow_dirops.core.lists import FILES, iter_list
from airflow_dirops.core.locations import checked_path
from airflow_dirops.core.manifest import HEADER, SourceRecord
from airflow_dirops.core.ordering import Sorter
from airflow_dirops.core.patterns import Selection
from airflow_dirops.core.reader import Record, Snapshot, open_snapshot
from airflow_dirops.core.remains import what_is_left
from airflow_dirops.core.shown import logger

log = logger(__name__)

SourceLike = str | os.PathLike[str] | Mapping[str, Any]


class Source(Protocol):
    """A directory of inputs, held open while a stage runs."""

    path: Path
    selection: Selection
    is_missing: bool

    @property
    def singles(self) -> tuple[Source, ...]:
        """The directories that it is made of: itself, or those that are joined."""

    def list_inputs(self, sorter: Sorter) -> Iterable[Input]:
        """Every input, in order, as often as asked. A bare directory is walked into the sorter once."""

    def path_of(self, item: Input) -> str:
        """A path that opens this very input."""

    def place_of(self, item: Input) -> str:
        """Where it lies, for people."""

    def record_of(self, item: Input) -> Record | InputRecord:
        """What a user's function sees of this input."""

    def list_unmatched(self) -> Iterable[tuple[Input, tuple[int, ...]]]:
        """What a join left out, and in which of its sources it is missing."""

    def read(self, item: Input) -> Any:
        """
        :returns: the decoded value, where the source is a snapshot.
        :raises ArgumentRefused: where nothing says how to decode.
        """

    def check(self, item: Input) -> None:
        """
        :raises SourceChanged: if the input is no longer what was listed.
        :raises DanglingLink: if it is a link that leads nowhere.
        """

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot, where the source is one."""

    @property
    def ignored(self) -> int:
        """How many names the listing passed over."""

    def close(self) -> None: ...


def open_source(
    source: SourceLike,
    *,
    pattern: str,
    codec: str | Codec | None = None,
    follow_symlinks: bool = False,
    may_be_missing: bool = False,
    apart_from: Path | None = None,
) -> Source:
    """Hold a source open.

    :param source: a path; or a mapping with ``target`` and ``snapshot``, which pins that snapshot.
    :param apart_from: a directory that no link may lead to: the target.
    :param may_be_missing: a directory that is not there is an empty one, if the one above it is there.
    :raises SourceMissing: if there is no such directory.
    :raises SnapshotExpired: if a pinned snapshot is no longer kept.
    """
    if isinstance(source, Mapping):
        return SnapshotSource(open_snapshot(source, codec=codec), pattern)
    path = Path(checked_path("source", source))
    with storage_errors("opening the source", path):
        if not path.exists():
            if may_be_missing and _may_be_missing(path):
                return BareDirectory(path, pattern, is_missing=True)
            raise _missing(path)
        if not path.is_dir():
            raise SourceMissing(f"the source {str(path)!r} is a file; a stage reads a directory")
        if (path / HEADER).exists():
            return SnapshotSource(open_snapshot(path, codec=codec), pattern)
    return BareDirectory(path, pattern, follow_symlinks=follow_symlinks, apart_from=apart_from)


def _may_be_missing(path: Path) -> bool:
    """Whether there may be no such directory, as for a day on which nothing was made: all else is there."""
    return link_at(os.fspath(path)) is None and path.parent.is_dir()


def _missing(path: Path) -> SourceMissing:
    if (leads_to := link_at(os.fspath(path))) is not None:
        return SourceMissing(f"the source {str(path)!r} is a link to {leads_to!r}, and nothing is there; mount that")
    here = os.path.abspath(path)
    if left := what_is_left(here):
        return SourceMissing(f"the source {here!r} does not exist; a stage makes it{left}")
    if _may_be_missing(path):
        return SourceMissing(
            f"the source {here!r} does not exist; check the path and that it is mounted. The directory above it "
            "is there, so if this one is to be missing at times, set empty='skip'"
        )
    return SourceMissing(f"the source {here!r} does not exist; check the path and that it is mounted")


class BareDirectory:
    """A directory that no stage committed; its files may change under our hands."""

    snapshot: Snapshot | None = None

    def __init__(
        self,
        path: Path,
        pattern: str,
        *,
        follow_symlinks: bool = False,
        is_missing: bool = False,
        apart_from: Path | None = None,
    ) -> None:
        self.path = path
        self.is_missing = is_missing
        self.selection = Selection(pattern)
        self._listing = Listing(path, self.selection, follow_symlinks, apart_from)
        self._prefix = os.path.join(os.fspath(path), "")

    @property
    def ignored(self) -> int:
        return self._listing.ignored

    def list_inputs(self, sorter: Sorter) -> Iterable[Input]:
        if self.is_missing:
            return ()
        self._listing.leave_out = lambda path: sorter.add(order_of(path), _LEFT_OUT)
        for item in self._listing:
            size = _DANGLING if item.dangling else item.size
            sorter.add(order_of(item.path), msgspec.msgpack.encode((size, item.mtime_ns)))
        self._warn()
        return _SortedInputs(sorter, self._prefix)

    def _warn(self) -> None:
        warn_of_case(self)
        if count := self._listing.unfollowed:
            log.warning(
                "%d links to directories in %s are not followed, such as %r; set follow_symlinks=True to read what "
                "is in them",
                count,
                self.path,
                self._listing.first_unfollowed,
            )

    def list_unmatched(self) -> Iterable[tuple[Input, tuple[int, ...]]]:
        return ()

    @property
    def singles(self) -> tuple[Source, ...]:
        return (self,)

    def place_of(self, item: Input) -> str:
        return self.path_of(item)

    def record_of(self, item: Input) -> InputRecord:
        return InputRecord(item.key, self.path_of(item), item.size)

    def read(self, item: Input) -> Any:
        raise ArgumentRefused(
            f"nothing says how to decode {self.path_of(item)!r}, which no stage committed; "
            "give read=, a function that takes a path, or name a stage's target as the source"
        )

    def path_of(self, item: Input) -> str:
        return self._prefix + item.path

    def check(self, item: Input) -> None:
        path = self.path_of(item)
        try:
            status = os.stat(path)
        except OSError as error:
            if not is_damage(error):
                raise StorageError("looking at", path, error) from error
            if (leads_to := link_at(path)) is not None:
                raise DanglingLink(
                    f"{path!r} is a link to {leads_to!r}, and nothing is there; mount or fetch what it points to"
                ) from error
            raise SourceChanged(
                f"{path!r} went away between listing and reading; run again when its writer has finished"
            ) from error
        if (status.st_size, status.st_mtime_ns) != (item.size, item.mtime_ns):
            raise SourceChanged(
                f"{path!r} changed while it was read ({item.size} bytes when listed, {status.st_size} now); "
                "run again when its writer has finished"
            )

    def close(self) -> None:
        """Nothing is held: names in a directory that others write are looked up each time."""


def link_at(path: str) -> str | None:
    """Where a link points to, as it is written; None if this is no link."""
    try:
        return os.readlink(path)
    except OSError:
        return None


def warn_of_case(source: Source) -> None:
    """Tell of names that the pattern leaves out for their case alone: cameras write ``IMG.JPG``."""
    if hint := source.selection.hint():
        log.warning("of the files in %s that do not match %r, %s", source.path, source.selection.pattern, hint)


class SnapshotSource:
    """A snapshot: complete, immutable, listed by its manifest and never by the directory."""

    ignored = 0
    is_missing = False

    def __init__(self, snapshot: Snapshot, pattern: str) -> None:
        self.snapshot: Snapshot | None = snapshot
        self._held = snapshot
        self.path = snapshot.path
        self.selection = Selection(pattern)
        self._is_listed = False

    def list_inputs(self, sorter: Sorter) -> Iterable[Input]:  # noqa: ARG002 - a manifest is sorted
        return self

    def __iter__(self) -> Iterator[Input]:
        matches, selection = self.selection.matches, self.selection
        selection.forget()
        for line in iter_list(self._held.directory, self._held.manifest, FILES):
            if matches(line.path):
                yield Input(line.path, line.size, digest=line.digest)
            else:
                selection.leave_out(line.path)
        if not self._is_listed:
            self._is_listed = True
            warn_of_case(self)

    def list_unmatched(self) -> Iterable[tuple[Input, tuple[int, ...]]]:
        return ()

    @property
    def singles(self) -> tuple[Source, ...]:
        return (self,)

    def place_of(self, item: Input) -> str:
        return os.path.join(self.path, item.path)

    def record_of(self, item: Input) -> Record:
        return Record(self._held, _entry_of(item))

    def read(self, item: Input) -> Any:
        try:
            return self._held.read(_entry_of(item))
        except ResourcesExhausted as error:
            # A damaged header may claim any size; the other files fit.
            raise RecordFailed(
                f"{self.place_of(item)!r} cannot be decoded: there is no memory for what it says it holds. If it is "
                "meant to be so large, give the task more memory, or use fewer workers; if not, it is damaged: run "
                "the stage that made it with redo='damaged'"
            ) from error.__cause__

    def path_of(self, item: Input) -> str:
        return self._held.path_of_entry(_entry_of(item))

    def check(self, item: Input) -> None:
        """A snapshot is not written to; ``verify`` is the tool for one that was damaged."""

    def close(self) -> None:
        self._held.close()


def _entry_of(item: Input) -> Entry:
    return Entry(item.path, item.size, item.digest or "")


@dataclass(frozen=True)
class InputRecord:
    """A file of a bare directory: its key, a path that opens it, its size in bytes."""

    key: str
    path: str
    size: int


_DANGLING = -1
"""Stands for the size of what a link leads to that leads nowhere."""
_LEFT_OUT = b""
"""Stands for a file that the pattern does not match; looked at only if one that it does match has its key."""
_MAX_TOGETHER = 32
"""More files that share a key are no sidecars of each other, but a series."""


class _SortedInputs:
    """What a walk has found, in order: files that share a key are neighbours, and change together."""

    def __init__(self, sorter: Sorter, prefix: str) -> None:
        self._sorter = sorter
        self._prefix = prefix
        self._decode = msgspec.msgpack.Decoder(tuple[int, int]).decode

    def __iter__(self) -> Iterator[Input]:
        together: list[tuple[bytes, bytes]] = []
        key, is_series = b"", False
        for order, line in self._sorter:
            if (this := order[: order.index(0)]) != key:
                if len(together) != 1:
                    yield from self._inputs(together)
                elif together[0][1]:
                    yield self._input(together[0])
                together, key, is_series = [], this, False
            together.append((order, line))
            if is_series or len(together) > _MAX_TOGETHER:
                yield from map(self._input, (one for one in together if one[1]))
                together, is_series = [], True
        yield from self._inputs(together)

    def _inputs(self, together: list[tuple[bytes, bytes]]) -> Iterator[Input]:
        members = {one for one in together if not _is_numbered(one[0])}
        found = [one for one in together if one[1]]
        if len(members) <= 1 or members.isdisjoint(found):
            return map(self._input, found)
        digest = hashlib.sha256()
        for one in together:
            if one in members:
                digest.update(repr(self._state_of(one)).encode())
        beside = digest.hexdigest()
        inputs = ((self._input(one), one in members) for one in found)
        return (msgspec.structs.replace(item, beside=beside) if is_member else item for item, is_member in inputs)

    def _input(self, one: tuple[bytes, bytes]) -> Input:
        order, line = one
        size, mtime_ns = self._decode(line)
        if size == _DANGLING:
            return Input(path_at(order), 0, mtime_ns, dangling=True)
        return Input(path_at(order), size, mtime_ns)

    def _state_of(self, one: tuple[bytes, bytes]) -> tuple[str, int, int] | None:
        order, line = one
        if line:
            return path_at(order), *self._decode(line)
        path = path_at(order)
        try:
            status = os.stat(self._prefix + path)
        except OSError:
            # Away, or a link that leads nowhere: not as it was when it was there.
            return None
        return path, status.st_size, status.st_mtime_ns


def _is_numbered(order: bytes) -> bool:
    """Whether a file is one of a series, such as ``frame.0001``: a number is no kind of file."""
    return order.rpartition(b".")[2].isdigit()


def describe_source(source: Source, target: Path) -> SourceRecord:
    """What the manifest of the target says about its source."""
    path = os.fsencode(os.path.relpath(source.path.resolve(), target.parent))
    # For people to read; JSON has no letters for a name that is not UTF-8.
    location = path.decode(errors="backslashreplace")
    if source.snapshot is None:
        return SourceRecord(location=location)
    manifest = source.snapshot.manifest
    return SourceRecord(location=location, snapshot=manifest.snapshot, stage=manifest.stage)
