"""The one step that makes a sealed attempt visible, and who wins a conflict.

A directory is swapped as a whole: the work is the same for one file and for a million. Whatever the calls
answered, the snapshot that is read back from the target afterwards decides what happened.
"""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from airflow_dirops.core.claim import Claim, check_fence
from airflow_dirops.core.control import ControlDirectory, Intent
from airflow_dirops.core.durable import ExchangeUnsupported, exchange, sync_directory, write_file
from airflow_dirops.core.errors import ManifestDamaged, ManifestMissing, StorageError, TargetConflict
from airflow_dirops.core.manifest import Manifest, read_manifest
from airflow_dirops.core.recovery import finish_swap, mark_of_unmanaged
from airflow_dirops.core.retention import retire, retirement_place, snapshot_in
from airflow_dirops.core.signals import held_back

OnConflict = Literal["fail", "newest", "last"]

log = logging.getLogger(__name__)


def commit(claim: Claim, manifest: Manifest, on_conflict: OnConflict = "fail") -> None:
    """Make a sealed tree the target, in less than a millisecond for any number of files.

    :param manifest: the header that was sealed into the tree.
    :raises AttemptSuperseded: if a newer try of the same run has claimed the target.
    :raises TargetConflict: if another run committed since the claim, and ``on_conflict`` lets it win.
    :raises StorageError: if the file system refused; the target is as it was.
    """
    control, attempt = claim.control, claim.attempt
    with control.locked(f"{attempt.run}, try {attempt.try_number}"), held_back():
        finish_swap(control)
        check_fence(control, attempt)
        current = _current(control.target)
        _check_base(claim, current, on_conflict)
        # Before the swap, so that a try that dies right after it is recognised by the next one.
        fenced = msgspec.structs.replace(claim.fenced, committed=manifest.snapshot, committed_try=attempt.try_number)
        control.write_fence(attempt.run.fence_key, fenced)
        _swap(claim, manifest)
        _read_back(claim, manifest, current)


def _current(target: Path) -> Manifest | None:
    with suppress(ManifestMissing, ManifestDamaged):
        return read_manifest(target)
    return None


def _check_base(claim: Claim, current: Manifest | None, on_conflict: OnConflict) -> None:
    if current is None:
        return
    if on_conflict == "newest" and current.attempt.order > claim.attempt.order:
        raise TargetConflict(_conflict(claim, current, "it stands for a later time than this run"))
    is_base = claim.base is not None and current.snapshot == claim.base.snapshot
    if not is_base and on_conflict == "fail":
        raise TargetConflict(_conflict(claim, current, "it was committed after this attempt began"))


def _conflict(claim: Claim, current: Manifest, why: str) -> str:
    who = current.attempt
    name = f"{who.dag_id}.{who.task_id}" if who.dag_id else current.stage
    return (
        f"the target {str(claim.target)!r} holds snapshot {current.snapshot} of {name}, run {who.run_id!r}, "
        f"try {who.try_number}, committed {current.created}; {why}, so this attempt changes nothing. "
        "Run the task again to build on that snapshot, or set on_conflict='last' to replace it"
    )


def _swap(claim: Claim, manifest: Manifest) -> None:
    target, tree = claim.target, claim.control.tree_of(claim.attempt.id)
    try:
        if not target.exists() or not any(os.scandir(target)):
            # Onto an absent or empty directory only: the kernel refuses any other.
            tree.rename(target)
        else:
            _replace(claim, tree, manifest)
    except OSError as error:
        # The answer may be wrong, over NFS for one; what lies at the target is not.
        if snapshot_in(target) != manifest.snapshot:
            raise _refused(target, error) from error
    # Both directories that the rename changed.
    sync_directory(target.parent)
    sync_directory(tree.parent)


def _refused(target: Path, error: OSError) -> Exception:
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        return TargetConflict(
            f"the target {str(target)!r} appeared while this attempt was at work, and nothing of it was touched; "
            "see who made it, then run the task again"
        )
    return StorageError("putting the new snapshot in place of", target, error)


def _replace(claim: Claim, tree: Path, manifest: Manifest) -> None:
    if snapshot_in(claim.target) is None:
        if not claim.replaces_unmanaged:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(claim.target))
        write_file(mark_of_unmanaged(claim.directory), b"")
        sync_directory(claim.directory)
    try:
        exchange(tree, claim.target)
    except ExchangeUnsupported:
        _swap_by_two_renames(claim.control, claim.attempt.id, manifest)


def _swap_by_two_renames(control: ControlDirectory, attempt: str, manifest: Manifest) -> None:
    """Where names cannot be exchanged: for a moment there is no target, and the intent says what becomes it."""
    target, tree = control.target, control.tree_of(attempt)
    place = retirement_place(control, target)
    control.write_intent(Intent(attempt=attempt, snapshot=manifest.snapshot, retired=place.name))
    target.rename(place)
    try:
        tree.rename(target)
    except OSError:
        # Not undoing a swap: the new snapshot never was in place.
        place.rename(target)
        raise
    finally:
        sync_directory(target.parent)
        sync_directory(place.parent)
        control.remove_intent()


def _read_back(claim: Claim, manifest: Manifest, before: Manifest | None) -> None:
    visible = snapshot_in(claim.target)
    if visible != manifest.snapshot:
        raise TargetConflict(
            f"the file system reported that {str(claim.target)!r} was replaced, but it holds "
            f"{visible or 'no snapshot'} and not {manifest.snapshot}; check that file system, then run again"
        )
    swapped_out = claim.control.tree_of(claim.attempt.id)
    if swapped_out.exists():
        _retire(claim, swapped_out, before)


def _retire(claim: Claim, swapped_out: Path, before: Manifest | None) -> None:
    try:
        place = retire(claim.control, swapped_out)
    except StorageError as error:
        log.warning("%s The new snapshot is in place; the next run keeps the old one.", error)
        return
    if before and place.name != before.snapshot:
        log.warning("%s held another snapshot than expected; it is kept as %s", claim.target, place)
