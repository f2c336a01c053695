"""The one step that makes a sealed attempt visible, and who wins a conflict.

The lock is a courtesy, the fence and the base decide: an attempt commits only if nobody claimed its run after it,
and only onto the snapshot it began with.
"""

from __future__ import annotations

from airflow_dirops.core.errors import StorageError
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory.claim import ClaimedTarget
from airflow_dirops.core.places.directory.open_claims import current_of, sealed_by
from airflow_dirops.core.places.directory.recovery import finish_swap
from airflow_dirops.core.places.directory.swap import keep_replaced, swap
from airflow_dirops.core.processes.signals import held_back
from airflow_dirops.core.rules.ownership import refuse_ended, refuse_superseded, rows_after
from airflow_dirops.core.rules.replacing import refuse_conflict, refuse_sibling
from airflow_dirops.core.stage.policies import OnConflict

log = logger(__name__)


def commit(claim: ClaimedTarget, manifest: Manifest, on_conflict: OnConflict = "fail") -> None:
    """Make a sealed tree the target: the same few calls for any number of files.

    :param manifest: the header that was sealed into the tree.
    :raises AttemptSuperseded: if a newer try of the same run has claimed the target, or another process of this one has
        committed.
    :raises TargetRefused: if another mapped instance of the same run has committed there, or another site.
    :raises TargetConflict: if another run committed since the claim, and ``on_conflict`` lets it win.
    :raises StorageError: if the file system refused; the target is as it was.
    """
    control, attempt = claim.control, claim.attempt
    with control.locked(f"{attempt.run}, try {attempt.try_number}"), held_back():
        finish_swap(control)
        fence = control.read_fence()
        refuse_superseded(str(control.target), attempt, fence)
        current = current_of(control)
        refuse_ended(str(control.target), attempt, fence, current, sealed_by(control, attempt, fence))
        refuse_sibling(str(control.target), attempt.run, current.attempt if current else None, fence)
        refuse_conflict(str(control.target), attempt, claim.base, current, manifest, on_conflict)
        # Before the swap, so that a try that dies right after it is recognised by the next one.
        control.write_fence(fence, rows_after(attempt, fence, current, manifest.snapshot))
        swap(claim, manifest.snapshot)
        keep_replaced(claim, current)
        if claim.adoption is not None:
            _use_up_adoption(claim)


def _use_up_adoption(claim: ClaimedTarget) -> None:
    try:
        claim.control.forget_adoption()
    except StorageError as error:
        log.warning("%s; the next run removes it, and nothing is let through by it meanwhile", error)
