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
from airflow_dirops.core.entries import CONTROL_DIRECTORY, Entry, key_of
from airflow_dirops.core.errors import (
    ArgumentRefused,
    DiropsError,
    ManifestDamaged,
    ManifestMissing,
    ResourcesExhausted,
    SnapshotDamaged,
    SnapshotExpired,
    StorageError,
    TargetBusy,
    TransientError,
    UntrustedPickle,
)
from airflow_dirops.core.lists import FILES, iter_list
from airflow_dirops.core.locations import checked_path
from airflow_dirops.core.lock import stranger
from airflow_dirops.core.manifest import HEADER, Manifest, hold_snapshot, read_header
from airflow_dirops.core.members import is_id
from airflow_dirops.core.remains import with_what_is_left
from airflow_dirops.core.shown import logger
from airflow_dirops.core.tracebacks import described

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
        directory, manifest = _open_current(Path(checked_path("target", target)))
    return Snapshot(directory, manifest, codec, verify)


def _pinned(pinned: Mapping[str, Any]) -> tuple[Path, str]:
    target, snapshot = pinned.get("target"), pinned.get("snapshot")
    if not (isinstance(target, str) and target.strip() and "\0" not in target and is_id(snapshot)):
        given = {"target": target, "snapshot": snapshot}
        raise ArgumentRefused(
            f"a pinned source needs 'target' and 'snapshot', a path and the id of a snapshot, and not {given!r}; "
            "give what the stage returned, or its target's path alone"
        )
    return Path(checked_path("target", target)), str(snapshot)


def _open_current(target: Path) -> tuple[HeldDirectory, Manifest]:
    try:
        return _hold(target)
    except ManifestMissing:
        control = ControlDirectory(Path(os.path.realpath(target)))
        control.look_anew()
        # Between the two renames of the fallback swap there is no target, and the intent says what becomes it.
        with suppress(ManifestDamaged):  # the next run decides what to make of it
            if (intent := control.read_intent()) and not control.target.exists():
                with suppress(ManifestMissing):
                    return _hold(control.tree_of(intent.attempt))
        try:
            # The swap may have been finished since we looked.
            return _hold(target)
        except ManifestMissing as error:
            raise with_what_is_left(error, os.path.abspath(target)) from error.__cause__


def _open_pinned(target: Path, snapshot: str) -> tuple[HeldDirectory, Manifest]:
    control = ControlDirectory(Path(os.path.realpath(target)))
    control.look_anew()
    # Twice: the snapshot may be retired between our look at the target and our look at what is kept.
    for _ in range(2):
        refused: TransientError | None = None
        for place in chain([target], control.trees()):
            try:
                directory, manifest = _hold(place)
            except TransientError as error:
                refused = error  # it may be this one
                continue
            except DiropsError:
                continue
            if manifest.snapshot == snapshot:
                directory.path = target
                return directory, manifest
            directory.close()
    if refused is not None:
        raise refused
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
    """Keep retention away from a snapshot for as long as it is held.

    Retention locks only what lies in ``retired/``, and moves it away at once: it has never locked a directory that
    still has the name of the target. Somebody else has, then, and keeps retention away as well; what was opened stays.

    :raises ManifestMissing: if it is being deleted.
    :raises TargetBusy: if it is a retired snapshot that somebody else keeps locked.
    """
    try:
        fcntl.flock(directory.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        here = directory.path
        if not directory.is_still_named():
            raise ManifestMissing(f"{str(here)!r} is being deleted: its retention is over") from error
        if CONTROL_DIRECTORY in here.parts:
            raise TargetBusy(f"{str(here)!r} cannot be read: it is being deleted, or {stranger(here)}") from error
        log.warning("%s is read without a lock that keeps its snapshot: %s", here, stranger(here))
        directory.is_shared = False
    except OSError:
        # Not every network file system locks directories; the descriptor alone still pins what we have opened.
        return


def _damaged(where: Path, what: str) -> str:
    return (
        f"{str(where)!r} is not what its manifest says: {what}; run its stage with redo='damaged', or roll the "
        "target back"
    )
