"""Read a snapshot back: exactly one, whole, and one value at a time in memory.

The directory is held by its descriptor under a shared lock. So a commit that replaces it while we read changes
nothing for us, and retention leaves it alone for as long as we hold it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.codecs.registry import resolve_codec
from airflow_dirops.core.errors import (
    ArgumentRefused,
    DiropsError,
    ResourcesExhausted,
    SnapshotDamaged,
    UntrustedPickle,
)
from airflow_dirops.core.format.entries import Entry, key_of
from airflow_dirops.core.format.lists import FILES
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.messages.tracebacks import described
from airflow_dirops.core.place.held import Held, name_in, not_as_listed
from airflow_dirops.core.snapshot.contents import iter_list
from airflow_dirops.core.snapshot.page import html_of
from airflow_dirops.core.snapshot.record import Record

log = logger(__name__)


class Snapshot:
    """A snapshot, held open. Iterate over it for its records, in the order of their keys.

    :param held: the snapshot, in the place where it is kept.
    :param codec: given by the reader: for pickles, and for codecs that are not registered.
    :param verify: compare every file's digest with the manifest before it is decoded; sizes always are.
    """

    def __init__(
        self,
        held: Held,
        codec: str | Codec | None = None,
        verify: bool = False,
    ) -> None:
        self.held = held
        self.manifest = held.manifest
        self._given_codec = codec
        self._verify = verify
        self._codec: Codec | None = None

    @property
    def name(self) -> str:
        """What it was opened by."""
        return self.held.name

    @property
    def codec(self) -> Codec:
        """The codec that decodes the entries.

        :raises UntrustedPickle: if the values are pickles and the reader did not ask for them.
        :raises ArgumentRefused: if the reader asked for another codec than the writer used.
        """
        if self._codec is None:
            self._codec = self._choose_codec()
        return self._codec

    def __repr__(self) -> str:
        return f"<Snapshot of {self.name!r}: {len(self):,} files by {self.manifest.stage!r}>"

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return html_of(self.held, self.iter_entries())

    def __iter__(self) -> Iterator[Record]:
        partition = self.manifest.partition
        return (Record(key_of(entry.path), entry, self, partition) for entry in self.iter_entries())

    def __len__(self) -> int:
        return self.manifest.counts.entries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.held.close()

    def iter_entries(self) -> Iterator[Entry]:
        """The entries, in the order of their keys, without opening any of them.

        :raises ManifestDamaged: if the list of files is not what the manifest says.
        """
        for line in iter_list(self.held, FILES):
            yield Entry(line.path, line.size, line.digest)

    @property
    def sealed_ns(self) -> int:
        """When its header was written, by the clock of the place."""
        return self.held.sealed_ns

    def has_digest(self, path: str, digest: str) -> bool:
        """Whether a file is there and its bytes are those of the manifest.

        :raises StorageError: if it cannot be read, and may be whole.
        """
        try:
            with self.held.open(path) as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except SnapshotDamaged:
            return False
        except OSError as error:
            raise self.held.explain(error, path) from error

    def local(self, entry: Entry) -> AbstractContextManager[str]:
        """A path for whoever opens it within the block, who would follow a link and wait for a FIFO.

        :raises SnapshotDamaged: if there is no regular file of its size.
        """
        self._check_size(entry)
        return self.held.local(entry.path)

    def path_of(self, entry: Entry) -> str:
        """As :meth:`local`, for as long as the snapshot is open.

        :raises SnapshotDamaged: likewise.
        """
        self._check_size(entry)
        return self.held.path_of(entry.path)

    def read(self, entry: Entry) -> Any:
        """Decode one entry.

        :raises SnapshotDamaged: if it is not what the manifest says, or cannot be decoded.
        """
        codec = self.codec
        with self.held.open(entry.path) as file:
            if (size := os.fstat(file.fileno()).st_size) != entry.size:
                raise SnapshotDamaged(not_as_listed(self._where(entry), _has_size(size, entry)))
            if self._verify:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry.digest:
                    raise SnapshotDamaged(not_as_listed(self._where(entry), "its digest differs"))
                file.seek(0)
            try:
                return codec.decode(file)
            except DiropsError:
                raise
            except MemoryError as error:
                raise ResourcesExhausted(error) from error
            except Exception as error:
                if isinstance(error, OSError) and error.errno:
                    raise self.held.explain(error, entry.path) from error
                raise SnapshotDamaged(
                    not_as_listed(self._where(entry), f"codec {codec.name!r} cannot decode it: {described(error)}")
                ) from error

    def _check_size(self, entry: Entry) -> None:
        status = self.held.status(entry.path)
        if status is None:
            self.held.open(entry.path).close()  # which says why
        elif status.size != entry.size:
            raise SnapshotDamaged(not_as_listed(self._where(entry), _has_size(status.size, entry)))

    def _where(self, entry: Entry) -> str:
        return name_in(self.held, entry.path)

    def _choose_codec(self) -> Codec:
        written = self.manifest.codec.name
        if self._given_codec is None:
            if written == "pickle":
                raise UntrustedPickle(
                    f"the values in {self.name!r} are pickles, and decoding a pickle runs code that it names; "
                    "if you trust who wrote them, say so with source_codec='pickle' (codec='pickle' when reading)"
                )
            return resolve_codec(written)
        codec = resolve_codec(self._given_codec)
        if codec.name != written:
            raise ArgumentRefused(
                f"{self.name!r} was written with codec {written!r} and cannot be read with {codec.name!r}"
            )
        return codec


def _has_size(size: int, entry: Entry) -> str:
    return f"it has {size} bytes instead of {entry.size}"
