"""Read a snapshot back: exactly one, whole, and one value at a time in memory.

The directory is held by its descriptor under a shared lock. So a commit that replaces it while we read changes
nothing for us, and retention leaves it alone for as long as we hold it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from io import BufferedReader
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from airflow_dirops.core.beneath import HeldDirectory, is_damage
from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.codecs.registry import resolve_codec
from airflow_dirops.core.control import ControlDirectory
from airflow_dirops.core.entries import Entry, key_of
from airflow_dirops.core.errors import (
    ArgumentRefused,
    DiropsError,
    ManifestMissing,
    SnapshotDamaged,
    SnapshotExpired,
    StorageError,
    UntrustedPickle,
)
from airflow_dirops.core.lists import FILES, iter_list
from airflow_dirops.core.manifest import HEADER, Manifest, hold_snapshot, read_header
from airflow_dirops.core.members import is_id


class Record:
    """One entry of a snapshot; its value is decoded when asked for, and not kept."""

    def __init__(self, snapshot: Snapshot, entry: Entry) -> None:
        self._snapshot = snapshot
        self.entry = entry
        self.key = key_of(entry.path)

    @property
    def path(self) -> str:
        """A path that opens this very file, also after the target was replaced."""
        return self._snapshot.path_of(self.entry.path)

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
        """Whether a file's bytes are those of the manifest."""
        with self.directory.reading(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest

    def path_of(self, path: str) -> str:
        return self.directory.stable_path(path)

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
            except Exception as error:
                if isinstance(error, OSError) and error.errno:
                    raise _unreadable(where, error) from error
                raise SnapshotDamaged(
                    _damaged(where, f"codec {codec.name!r} cannot decode it: {type(error).__name__}: {error}")
                ) from error

    def _open(self, entry: Entry, where: Path) -> BufferedReader:
        try:
            descriptor = self.directory.open_file(entry.path)
            try:
                return open(descriptor, "rb")
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise _unreadable(where, error) from error

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


def open_snapshot(
    target: str | os.PathLike[str] | Mapping[str, Any],
    *,
    codec: str | Codec | None = None,
    verify: bool = False,
) -> Snapshot:
    """Open the current snapshot of a target, or a pinned one.

    :param target: the target's path; or a mapping with ``target`` and ``snapshot``, such as an outcome's
        ``to_dict()``, which pins that snapshot even when the target was replaced since.
    :param codec: needed for pickles, which are decoded only on request, and for codecs that are not registered.
    :param verify: compare digests while reading.
    :raises ManifestMissing: if no stage committed this directory.
    :raises SnapshotExpired: if the pinned snapshot is no longer kept.
    """
    if isinstance(target, Mapping):
        directory, manifest = _open_pinned(*_pinned(target))
    else:
        directory, manifest = _open_current(Path(target))
    return Snapshot(directory, manifest, codec, verify)


def _pinned(pinned: Mapping[str, Any]) -> tuple[Path, str]:
    target, snapshot = pinned.get("target"), pinned.get("snapshot")
    if not (isinstance(target, str) and target.strip() and "\0" not in target and is_id(snapshot)):
        given = {"target": target, "snapshot": snapshot}
        raise ArgumentRefused(
            f"a pinned source needs 'target' and 'snapshot', a path and the id of a snapshot, and not {given!r}; "
            "give what the stage returned, or its target's path alone"
        )
    return Path(target), str(snapshot)


def _open_current(target: Path) -> tuple[HeldDirectory, Manifest]:
    try:
        return _hold(target)
    except ManifestMissing:
        control = ControlDirectory(Path(os.path.realpath(target)))
        control.look_anew()
        # Between the two renames of the fallback swap there is no target, and the intent says what becomes it.
        if (intent := control.read_intent()) and not control.target.exists():
            with suppress(ManifestMissing):
                return _hold(control.tree_of(intent.attempt))
        # The swap may have been finished since we looked.
        return _hold(target)


def _open_pinned(target: Path, snapshot: str) -> tuple[HeldDirectory, Manifest]:
    control = ControlDirectory(Path(os.path.realpath(target)))
    control.look_anew()
    # Twice: the snapshot may be retired between our look at the target and our look at what is kept.
    for place in chain([target], control.trees(), [target], control.trees()):
        with suppress(DiropsError):
            directory, manifest = _hold(place)
            if manifest.snapshot == snapshot:
                directory.path = target
                return directory, manifest
            directory.close()
    raise SnapshotExpired(
        f"snapshot {snapshot} of {str(target)!r} is no longer kept; run the stage that made it again, "
        "read the current snapshot by path, or keep snapshots for longer"
    )


def _hold(path: Path) -> tuple[HeldDirectory, Manifest]:
    directory = hold_snapshot(path)
    try:
        _share(directory)
        return directory, read_header(directory)
    except BaseException:
        directory.close()
        raise


def _share(directory: HeldDirectory) -> None:
    try:
        fcntl.flock(directory.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ManifestMissing(f"{str(directory.path)!r} is being deleted: its retention is over") from error
    except OSError:
        # Not every network file system locks directories; the descriptor alone still pins what we have opened.
        return


def _unreadable(where: Path, error: OSError) -> DiropsError:
    if error.errno == errno.ESTALE:
        return SnapshotExpired(
            f"{str(where)!r} was deleted while it was read, by another machine: over NFS readers are not seen there; "
            "run the reader again, and let the stage keep snapshots for longer than anybody reads"
        )
    if is_damage(error):
        return SnapshotDamaged(_damaged(where, f"it cannot be opened: {error.strerror}"))
    return StorageError("reading", where, error)


def _damaged(where: Path, what: str) -> str:
    return (
        f"{str(where)!r} is not what its manifest says: {what}; run its stage with verify=True, or roll the target back"
    )
