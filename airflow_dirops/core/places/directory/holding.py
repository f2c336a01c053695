"""Hold a snapshot open, so that a commit that replaces it changes nothing for its reader, and retention leaves it."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from itertools import chain
from pathlib import Path

from airflow_dirops.core.disk.held import HeldDirectory
from airflow_dirops.core.errors import (
    DiropsError,
    ManifestDamaged,
    ManifestMissing,
    SnapshotExpired,
    TargetBusy,
    TransientError,
)
from airflow_dirops.core.format.entries import CONTROL_DIRECTORY
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.header import hold_snapshot, read_header
from airflow_dirops.core.places.directory.lock import stranger
from airflow_dirops.core.places.directory.remains import with_what_is_left

log = logger(__name__)


def hold_current(target: Path) -> tuple[HeldDirectory, Manifest]:
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


def hold_pinned(target: Path, snapshot: str) -> tuple[HeldDirectory, Manifest]:
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
