"""Swap a whole directory for another: the same few calls for one file and for a million.

Whatever the calls answered, the snapshot that is read back from the target afterwards decides what happened.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from airflow_dirops.core.disk.durable import ExchangeUnsupported, exchange, sync_directory, write_file
from airflow_dirops.core.errors import CommitUnknown, StorageError, TargetConflict
from airflow_dirops.core.format.control import Intent
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory.claim import ClaimedTarget
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.header import snapshot_in
from airflow_dirops.core.places.directory.preflight import is_vacant, last_changed
from airflow_dirops.core.places.directory.recovery import mark_of_unmanaged
from airflow_dirops.core.places.directory.retention import retire, retirement_place

log = logger(__name__)


def swap(claim: ClaimedTarget, area: Path, snapshot: str) -> None:
    """Put the tree in a staging area in the place of a claim's target. Under the lock.

    :param snapshot: the id of the snapshot in that tree.
    :raises TargetConflict: if something that is not ours appeared there, or the file system lied.
    :raises StorageError: if the file system refused; the target is as it was.
    :raises CommitUnknown: if what happened cannot be seen, or may not last.
    """
    target, tree = claim.target, area / "tree"
    try:
        if is_vacant(target):
            # Onto an absent or empty directory only: the kernel refuses any other.
            tree.rename(target)
        else:
            _replace(claim, area, snapshot)
    except StorageError:
        raise
    except OSError as error:
        # The answer may be wrong, over NFS for one; what lies at the target is not.
        if _seen_at(target) != snapshot:
            raise _refused(target, error) from error
    try:
        # Both directories that the rename changed.
        sync_directory(target.parent)
        sync_directory(tree.parent)
    except StorageError as error:
        raise CommitUnknown(str(target), error) from error
    _read_back(target, snapshot)


def keep_replaced(claim: ClaimedTarget, area: Path, before: Manifest | None) -> None:
    """Retire what a swap left in the staging area. The commit stands, whatever happens here.

    :param before: what the target held before the swap.
    """
    replaced = area / "tree"
    if not replaced.exists():
        return
    try:
        place = retire(claim.control, replaced)
    except StorageError as error:
        log.warning("%s The new snapshot is in place; the next run keeps the old one.", error)
        return
    if before and place.name != before.snapshot:
        log.warning("%s held another snapshot than expected; it is kept as %s", claim.target, place)


def _refused(target: Path, error: OSError) -> Exception:
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        return TargetConflict(
            f"the target {str(target)!r} appeared or changed while this attempt was at work, and nothing of it was "
            "touched; see who did that, then run the task again"
        )
    return StorageError("putting the new snapshot in place of", target, error)


def _replace(claim: ClaimedTarget, area: Path, snapshot: str) -> None:
    if snapshot_in(claim.target) is None:
        was_changed = claim.let_as_of is not None and last_changed(claim.target) != claim.let_as_of
        if was_changed or not claim.replaces_unmanaged:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(claim.target))
        write_file(mark_of_unmanaged(area), b"")
        sync_directory(area)
    try:
        exchange(area / "tree", claim.target)
    except ExchangeUnsupported:
        _swap_by_two_renames(claim.control, area.name, snapshot)


def _swap_by_two_renames(control: ControlDirectory, area: str, snapshot: str) -> None:
    """Where names cannot be exchanged: for a moment there is no target, and the intent says what becomes it."""
    target, tree = control.target, control.tree_of(area)
    place = retirement_place(control, target)
    control.write_intent(Intent(attempt=area, snapshot=snapshot, retired=place.name))
    try:
        target.rename(place)
        tree.rename(target)
    except OSError:
        _put_back(control, place)
        raise
    # The intent stays if a rename lied: readers follow it, and the next claim rolls forward.
    _read_back(target, snapshot)
    for changed in (target.parent, tree.parent, place.parent):
        sync_directory(changed)
    control.remove_intent()


def _put_back(control: ControlDirectory, place: Path) -> None:
    """Undo half a swap; never a whole one. If that fails too, the intent stays, and recovery rolls forward."""
    if not control.target.exists():
        place.rename(control.target)
    control.remove_intent()


def _seen_at(target: Path) -> str | None:
    """The id of the snapshot that is at the target now.

    :raises CommitUnknown: if the target cannot be looked at.
    """
    try:
        return snapshot_in(target)
    except StorageError as error:
        raise CommitUnknown(str(target), error) from error


def _read_back(target: Path, snapshot: str) -> None:
    visible = _seen_at(target)
    if visible != snapshot:
        raise TargetConflict(
            f"the file system reported that {str(target)!r} was replaced, but it holds "
            f"{visible or 'no snapshot'} and not {snapshot}; check that file system, then run again"
        )
