"""Hold a snapshot open, so that a commit that replaces it changes nothing for its reader, and retention leaves it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from io import BufferedReader
from itertools import chain
from pathlib import Path

from airflow_dirops.core.disk.held import HeldDirectory, is_damage
from airflow_dirops.core.disk.trees import count_files, iter_files
from airflow_dirops.core.errors import (
    DiropsError,
    ManifestDamaged,
    ManifestMissing,
    SnapshotDamaged,
    SnapshotExpired,
    StorageError,
    TargetBusy,
    TransientError,
)
from airflow_dirops.core.format.entries import CONTROL_DIRECTORY
from airflow_dirops.core.format.manifest import HEADER, Manifest
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place.held import FileStatus, name_in, not_as_listed
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.header import hold_snapshot, read_header
from airflow_dirops.core.places.directory.lock import stranger
from airflow_dirops.core.places.directory.remains import with_what_is_left

log = logger(__name__)


class HeldSnapshot:
    """A snapshot in a directory that is held by its descriptor, under a shared lock."""

    def __init__(self, directory: HeldDirectory, manifest: Manifest) -> None:
        self.directory = directory
        self.manifest = manifest

    @property
    def name(self) -> str:
        return str(self.directory.path)

    @cached_property
    def sealed_ns(self) -> int:
        return self.directory.status(HEADER).st_mtime_ns

    def open(self, path: str) -> BufferedReader:
        if not self.directory.is_shared:
            with suppress(OSError):
                fcntl.flock(self.directory.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                self.directory.is_shared = True
        try:
            descriptor = self.directory.open_file(path)
            try:
                return open(descriptor, "rb")
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise self.explain(error, path) from error

    def status(self, path: str) -> FileStatus | None:
        try:
            status = self.directory.regular_status(path)
        except OSError as error:
            if is_damage(error):
                return None
            raise StorageError("looking at", name_in(self, path), error) from error
        return FileStatus(status.st_size, status.st_mtime_ns)

    def local(self, path: str) -> AbstractContextManager[str]:
        return nullcontext(self.path_of(path))

    def path_of(self, path: str) -> str:
        return self.directory.stable_path(path)

    def explain(self, error: OSError, path: str) -> DiropsError:
        where = name_in(self, path)
        if error.errno == errno.ESTALE:
            return SnapshotExpired(
                f"{where!r} was deleted while it was read, by another machine, or the share went away: over NFS "
                "readers are not seen there; run the reader again, mount the share anew if that fails too, and let "
                "the stage keep snapshots for longer than anybody reads"
            )
        if not is_damage(error):
            return StorageError("opening", where, error)
        if not self.directory.is_shared:
            return SnapshotExpired(
                f"{where!r} cannot be opened any more: {error.strerror}. While it was read, nothing kept its "
                f"snapshot from being removed, since {stranger(self.directory.path)}, then read it again"
            )
        return SnapshotDamaged(not_as_listed(where, f"it cannot be opened: {error.strerror}"))

    def iter_files(self) -> Iterator[str]:
        return iter_files(self.directory.stable_path(""))

    def count_files(self) -> int:
        return count_files(self.directory.stable_path(""))

    def close(self) -> None:
        self.directory.close()


def hold_current(target: Path) -> HeldSnapshot:
    """Hold what a target has now.

    :raises ManifestMissing: if no stage committed this directory.
    """
    try:
        return hold(target)
    except ManifestMissing:
        control = ControlDirectory(Path(os.path.realpath(target)))
        control.look_anew()
        # Between the two renames of the fallback swap there is no target, and the intent says what becomes it.
        with suppress(ManifestDamaged):  # the next run decides what to make of it
            if (intent := control.read_intent()) and not control.target.exists():
                with suppress(ManifestMissing):
                    return hold(control.tree_of(intent.attempt))
        try:
            # The swap may have been finished since we looked.
            return hold(target)
        except ManifestMissing as error:
            raise with_what_is_left(error, os.path.abspath(target)) from error.__cause__


def hold_pinned(target: Path, snapshot: str) -> HeldSnapshot:
    """Hold one snapshot of a target, wherever it is kept.

    :raises SnapshotExpired: if it is not kept any more.
    """
    control = ControlDirectory(Path(os.path.realpath(target)))
    control.look_anew()
    # Twice: the snapshot may be retired between our look at the target and our look at what is kept.
    for _ in range(2):
        refused: TransientError | None = None
        for place in chain([target], control.trees()):
            try:
                held = hold(place)
            except TransientError as error:
                refused = error  # it may be this one
                continue
            except DiropsError:
                continue
            if held.manifest.snapshot == snapshot:
                held.directory.path = target
                return held
            held.close()
    if refused is not None:
        raise refused
    raise SnapshotExpired(
        f"snapshot {snapshot} of {str(target)!r} is no longer kept; run the stage that made it again, "
        "read the current snapshot by path, or keep snapshots for longer"
    )


def hold(path: Path) -> HeldSnapshot:
    """Hold the snapshot that lies in a directory.

    :raises ManifestMissing: if there is none.
    """
    directory = hold_snapshot(path)
    try:
        _share(directory)
        return HeldSnapshot(directory, read_header(directory))
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
