"""The one step that makes a sealed attempt visible, or holds it back, and who wins a conflict.

The lock is a courtesy, the fence and the base decide: an attempt commits only if nobody claimed its run after it,
and only onto the snapshot it began with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_dirops.core.errors import StorageError
from airflow_dirops.core.format.control import FencedRun, Hold
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory.claim import ClaimedTarget
from airflow_dirops.core.places.directory.header import replace_header
from airflow_dirops.core.places.directory.on_hold import find_on_hold, write_hold
from airflow_dirops.core.places.directory.open_claims import current_of, sealed_by
from airflow_dirops.core.places.directory.recovery import finish_swap
from airflow_dirops.core.places.directory.swap import keep_replaced, swap
from airflow_dirops.core.processes.signals import held_back
from airflow_dirops.core.rules.ownership import (
    refuse_ended,
    refuse_superseded,
    rows_after,
    rows_after_publishing,
)
from airflow_dirops.core.rules.publishing import refuse_moved_base
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
    with _still_claimed(claim) as (fence, current):
        refuse_conflict(str(claim.target), claim.attempt, claim.base, current, manifest, on_conflict)
        # Before the swap, so that a try that dies right after it is recognised by the next one.
        claim.control.write_fence(fence, rows_after(claim.attempt, fence, current, manifest.snapshot))
        _put_in_place(claim, claim.directory, manifest.snapshot, current)


def hold_back(claim: ClaimedTarget, manifest: Manifest, until: float, on_conflict: OnConflict = "fail") -> None:
    """Instead of that, keep a sealed tree for somebody to publish or reject it.

    :param until: when its time is over, in seconds since the epoch.
    :raises DiropsError: as :func:`commit`.
    """
    may_replace = tuple(sorted(claim.terms.may_replace))
    with _still_claimed(claim) as (_, current):
        refuse_conflict(str(claim.target), claim.attempt, claim.base, current, manifest, on_conflict)
        write_hold(
            claim.control, claim.directory, Hold(snapshot=manifest.snapshot, until=until, may_replace=may_replace)
        )


def publish(claim: ClaimedTarget, manifest: Manifest) -> None:
    """Make a held tree of another attempt the target.

    :param manifest: its header, as it shall be from now on.
    :raises NotHeld: if it is not held any more.
    :raises DiropsError: else as :func:`commit`.
    """
    control = claim.control
    with _still_claimed(claim) as (fence, current):
        held = find_on_hold(control, manifest.snapshot)
        refuse_moved_base(str(control.target), held.manifest, current)
        # Whoever dies from here on leaves it held, or published.
        replace_header(held.area, manifest)
        control.write_fence(fence, rows_after_publishing(claim.attempt, fence, current, held.manifest))
        _put_in_place(claim, held.area, manifest.snapshot, current)
        claim.published.append(held.area)


@contextmanager
def _still_claimed(claim: ClaimedTarget) -> Iterator[tuple[dict[str, FencedRun], Manifest | None]]:
    """Under the lock, with signals held back, as long as the claim stands: the fence, and what is there now."""
    control, attempt, place = claim.control, claim.attempt, str(claim.target)
    with control.locked(f"{attempt.run}, try {attempt.try_number}"), held_back():
        finish_swap(control)
        fence = control.read_fence()
        refuse_superseded(place, attempt, fence)
        current = current_of(control)
        refuse_ended(place, attempt, fence, current, sealed_by(control, attempt, fence))
        refuse_sibling(place, attempt.run, current.attempt if current else None, fence)
        yield fence, current


def _put_in_place(claim: ClaimedTarget, area: Path, snapshot: str, current: Manifest | None) -> None:
    swap(claim, area, snapshot)
    keep_replaced(claim, area, current)
    if claim.adoption is not None:
        _use_up_adoption(claim)


def _use_up_adoption(claim: ClaimedTarget) -> None:
    try:
        claim.control.forget_adoption()
    except StorageError as error:
        log.warning("%s; the next run removes it, and nothing is let through by it meanwhile", error)
