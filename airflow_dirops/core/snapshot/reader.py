"""Read a snapshot back: exactly one, whole, and one value at a time in memory.

The directory is held by its descriptor under a shared lock. So a commit that replaces it while we read changes
nothing for us, and retention leaves it alone for as long as we hold it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.codecs.registry import resolve_codec
from airflow_dirops.core.disk.held import HeldDirectory, is_damage
from airflow_dirops.core.errors import (
    ArgumentRefused,
    DiropsError,
    ResourcesExhausted,
    SnapshotDamaged,
    SnapshotExpired,
    StorageError,
    UntrustedPickle,
)
from airflow_dirops.core.format.entries import Entry, key_of
from airflow_dirops.core.format.lists import FILES
from airflow_dirops.core.format.manifest import HEADER, Manifest
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.messages.tracebacks import described
from airflow_dirops.core.places.directory.lock import stranger
from airflow_dirops.core.snapshot.contents import iter_list

log = logger(__name__)


class Record:
    """One entry of a snapshot; its value is decoded when asked for, and not kept."""

    def __init__(self, snapshot: Snapshot, entry: Entry) -> None:
        self._snapshot = snapshot
        self.entry = entry
        self.key = key_of(entry.path)

    @property
    def path(self) -> str:
        """A path that opens this very file, also after the target was replaced."""
        return self._snapshot.path_of_entry(self.entry)

    @property
    def value(self) -> Any:
        """The decoded value, read anew at each use."""
        return self._snapshot.read(self.entry)

    def __repr__(self) -> str:
        return f"Record(key={self.key!r})"


class Snapshot:
    """A snapshot, held open. Iterate over it for its records, in the order of their keys.

    :param directory: the snapshot's directory.
    :param codec: given by the reader: for pickles, and for codecs that are not registered.
    :param verify: compare every file's digest with the manifest before it is decoded; sizes always are.
    """

    def __init__(
        self,
        directory: HeldDirectory,
        manifest: Manifest,
        codec: str | Codec | None = None,
        verify: bool = False,
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self._given_codec = codec
        self._verify = verify
        self._codec: Codec | None = None

    @property
    def path(self) -> Path:
        """The name it was opened by."""
        return self.directory.path

    @property
    def codec(self) -> Codec:
        """
        :raises UntrustedPickle: if the values are pickles and the reader did not ask for them.
        :raises ArgumentRefused: if the reader asked for another codec than the writer used.
        """
        if self._codec is None:
            self._codec = self._choose_codec()
        return self._codec

    def __iter__(self) -> Iterator[Record]:
        return (Record(self, entry) for entry in self.iter_entries())

    def __len__(self) -> int:
        return self.manifest.counts.entries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.directory.close()

    def iter_entries(self) -> Iterator[Entry]:
        """The entries, in the order of their keys, without opening any of them.

        :raises ManifestDamaged: if the list of files is not what the manifest says.
        """
        for line in iter_list(self.directory, self.manifest, FILES):
            yield Entry(line.path, line.size, line.digest)

    @cached_property
    def sealed_ns(self) -> int:
        """When its header was written, by the clock of the file system."""
        return self.directory.status(HEADER).st_mtime_ns

    def has_digest(self, path: str, digest: str) -> bool:
        """Whether a file is there and its bytes are those of the manifest.

        :raises StorageError: if it cannot be read, and may be whole.
        """
        try:
            with self.directory.reading(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except OSError as error:
            if is_damage(error):
                return False
            raise StorageError("reading", self.path / path, error) from error

    def path_of(self, path: str) -> str:
        return self.directory.stable_path(path)

    def path_of_entry(self, entry: Entry) -> str:
        """A path for whoever opens it, who would follow a link and wait for a FIFO.

        :raises SnapshotDamaged: if there is no regular file of its size.
        """
        where = self.path / entry.path
        try:
            size = self.directory.regular_status(entry.path).st_size
        except OSError as error:
            raise self._refused(error, where) from error
        if size != entry.size:
            raise SnapshotDamaged(_damaged(where, f"it has {size} bytes instead of {entry.size}"))
        return self.path_of(entry.path)

    def read(self, entry: Entry) -> Any:
        """Decode one entry.

        :raises SnapshotDamaged: if it is not what the manifest says, or cannot be decoded.
        """
        codec = self.codec
        where = self.path / entry.path
        with self._open(entry, where) as file:
            if (size := os.fstat(file.fileno()).st_size) != entry.size:
                raise SnapshotDamaged(_damaged(where, f"it has {size} bytes instead of {entry.size}"))
            if self._verify:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry.digest:
                    raise SnapshotDamaged(_damaged(where, "its digest differs"))
                file.seek(0)
            try:
                return codec.decode(file)
            except DiropsError:
                raise
            except MemoryError as error:
                raise ResourcesExhausted(error) from error
            except Exception as error:
                if isinstance(error, OSError) and error.errno:
                    raise self._refused(error, where) from error
                raise SnapshotDamaged(
                    _damaged(where, f"codec {codec.name!r} cannot decode it: {described(error)}")
                ) from error

    def _open(self, entry: Entry, where: Path) -> BufferedReader:
        if not self.directory.is_shared:
            with suppress(OSError):
                fcntl.flock(self.directory.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                self.directory.is_shared = True
        try:
            descriptor = self.directory.open_file(entry.path)
            try:
                return open(descriptor, "rb")
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise self._refused(error, where) from error

    def _refused(self, error: OSError, where: Path) -> DiropsError:
        """What it means that an entry cannot be opened: something about it, or about the machine."""
        if error.errno == errno.ESTALE:
            return SnapshotExpired(
                f"{str(where)!r} was deleted while it was read, by another machine: over NFS readers are not seen "
                "there; run the reader again, and let the stage keep snapshots for longer than anybody reads"
            )
        if not is_damage(error):
            return StorageError("opening", where, error)
        if not self.directory.is_shared:
            return SnapshotExpired(
                f"{str(where)!r} cannot be opened any more: {error.strerror}. While it was read, nothing kept its "
                f"snapshot from being removed, since {stranger(self.path)}, then read it again"
            )
        return SnapshotDamaged(_damaged(where, f"it cannot be opened: {error.strerror}"))

    def _choose_codec(self) -> Codec:
        written = self.manifest.codec.name
        if self._given_codec is None:
            if written == "pickle":
                raise UntrustedPickle(
                    f"the values in {str(self.path)!r} are pickles, and decoding a pickle runs code that it names; "
                    "if you trust who wrote them, say so with source_codec='pickle' (codec='pickle' when reading)"
                )
            return resolve_codec(written)
        codec = resolve_codec(self._given_codec)
        if codec.name != written:
            raise ArgumentRefused(
                f"{str(self.path)!r} was written with codec {written!r} and cannot be read with {codec.name!r}"
            )
        return codec


def _damaged(where: Path, what: str) -> str:
    return (
        f"{str(where)!r} is not what its manifest says: {what}; run its stage with redo='damaged', or roll the "
        "target back"
    )
