"""The one step that makes a sealed attempt visible, and who wins a conflict.

The lock is a courtesy, the fence and the base decide: an attempt commits only if nobody claimed its run after it,
and only onto the snapshot it began with.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from airflow_dirops.core.claim import Claim, check_fence
from airflow_dirops.core.errors import ManifestDamaged, ManifestMissing, TargetConflict
from airflow_dirops.core.manifest import Manifest, read_manifest
from airflow_dirops.core.policies import OnConflict
from airflow_dirops.core.recovery import finish_swap
from airflow_dirops.core.rules import refuse_sibling, rows_after
from airflow_dirops.core.signals import held_back
from airflow_dirops.core.swap import keep_replaced, swap


def commit(claim: Claim, manifest: Manifest, on_conflict: OnConflict = "fail") -> None:
    """Make a sealed tree the target: the same few calls for any number of files.

    :param manifest: the header that was sealed into the tree.
    :raises AttemptSuperseded: if a newer try of the same run has claimed the target.
    :raises TargetRefused: if another mapped instance of the same run has committed there.
    :raises TargetConflict: if another run committed since the claim, and ``on_conflict`` lets it win.
    :raises StorageError: if the file system refused; the target is as it was.
    """
    control, attempt = claim.control, claim.attempt
    with control.locked(f"{attempt.run}, try {attempt.try_number}"), held_back():
        finish_swap(control)
        fence = control.read_fence()
        check_fence(control, attempt, fence)
        current = _current(control.target)
        refuse_sibling(control.target, attempt.run, current.attempt if current else None, fence)
        _check_base(claim, current, manifest, on_conflict)
        # Before the swap, so that a try that dies right after it is recognised by the next one.
        control.write_fence(fence, rows_after(attempt, fence, current, manifest.snapshot))
        swap(claim, manifest.snapshot)
        keep_replaced(claim, current)


def _current(target: Path) -> Manifest | None:
    with suppress(ManifestMissing, ManifestDamaged):
        return read_manifest(target)
    return None


def _check_base(claim: Claim, current: Manifest | None, manifest: Manifest, on_conflict: OnConflict) -> None:
    if current is None:
        return
    if on_conflict == "newest" and current.attempt.order > claim.attempt.order:
        raise TargetConflict(_conflict(claim, current, "it stands for a later time than this run"))
    if claim.base is not None and current.snapshot == claim.base.snapshot:
        return
    is_trial = manifest.limit is not None and current.limit is None
    if on_conflict == "fail" or is_trial or current.stage != manifest.stage:
        raise TargetConflict(_conflict(claim, current, "it was committed after this attempt began"))


def _conflict(claim: Claim, current: Manifest, why: str) -> str:
    who = current.attempt
    name = f"{who.dag_id}.{who.task_id}" if who.dag_id else current.stage
    return (
        f"the target {str(claim.target)!r} holds snapshot {current.snapshot} of {name}, run {who.run_id!r}, "
        f"try {who.try_number}, committed {current.created}; {why}, so this attempt changes nothing. "
        "Run the task again to build on that snapshot, or set on_conflict='last' to replace it"
    )
