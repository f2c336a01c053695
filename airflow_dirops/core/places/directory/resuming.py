"""Go on with a claim that another process has left open: as one more process of the same attempt."""

from __future__ import annotations

import os
import socket
import time

from airflow_dirops.core.errors import (
    ArgumentRefused,
    AttemptSuperseded,
    ManifestDamaged,
    PlanNotSeen,
    SnapshotExpired,
    TargetRefused,
)
from airflow_dirops.core.format.control import Adoption, OpenClaim
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.members import is_id
from airflow_dirops.core.place.claim import Terms
from airflow_dirops.core.places.directory.areas import areas_of, next_area
from airflow_dirops.core.places.directory.claim import ClaimedTarget, begin_in
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.dead import LeftArea
from airflow_dirops.core.places.directory.holding import hold_pinned
from airflow_dirops.core.places.directory.notes import once_seen
from airflow_dirops.core.places.directory.open_claims import OpenClaims, current_of, read_open_claim, sealed_by
from airflow_dirops.core.places.directory.preflight import last_changed
from airflow_dirops.core.places.directory.recovery import finish_swap
from airflow_dirops.core.rules.ownership import refuse_ended, refuse_superseded, refuse_to_go_on


def resume_claim(
    control: ControlDirectory, attempt_id: str, terms: Terms, *, shard: int | None = None, host: str | None = None
) -> ClaimedTarget:
    """Go on with a claim.

    :param attempt_id: of the attempt that made it.
    :param shard: which part of the work this process does.
    :param host: which machine made it, if that is known.
    :raises ArgumentRefused: if that is no id.
    :raises PlanNotSeen: if nothing of the target is seen here.
    :raises AttemptSuperseded: if a newer try of its run has claimed the target, or the claim is over.
    :raises TargetRefused: if it was made by another stage, or for other code.
    :raises SnapshotExpired: if its base was removed.
    :raises TargetBusy: if the lock cannot be had.
    """
    if not is_id(attempt_id):
        raise ArgumentRefused(f"{attempt_id!r} is no id of an attempt; give the one that the claim has")
    left = _read(control, attempt_id, host)
    attempt, place = left.attempt(attempt_id), str(control.target)
    with control.locked(f"{attempt.run}, try {attempt.try_number}"):
        finish_swap(control)
        fence, current = control.read_fence(), current_of(control)
        refuse_superseded(place, attempt, fence)
        refuse_ended(place, attempt, fence, current, sealed_by(control, attempt, fence))
        areas = areas_of(control.attempts, attempt_id)
        until = OpenClaims(control).waits_until(attempt_id, areas)
        refuse_to_go_on(place, attempt, left, terms, until, time.time())
        base = _base(control, left, current)
        adoption = _adoption(control, base)
        others = [LeftArea(area) for area in areas]
        directory = next_area(control.attempts, attempt_id)
        alive = begin_in(directory, attempt, terms, full=left.full, shard=shard)
    return ClaimedTarget(
        control=control,
        attempt=attempt,
        terms=terms,
        base=base,
        directory=directory,
        fenced=fence[attempt.run.fence_key],
        alive=alive,
        full=left.full,
        replaces_unmanaged=left.replaces_unmanaged,
        let_as_of=left.changed_ns,
        adoption=adoption,
        others=others,
    )


def _read(control: ControlDirectory, attempt: str, host: str | None) -> OpenClaim:
    control.check()
    directory = control.attempts / attempt
    above = (control.target.parent, control.path, control.attempts)
    is_seen = once_seen(lambda: os.path.lexists(directory) or None, above, host)
    if not is_seen and not control.path.is_dir():
        raise PlanNotSeen(
            f"machine {socket.gethostname()!r} does not see {str(control.path)!r}, where "
            f"{f'machine {host!r}' if host else 'another one'} left the claim of attempt {attempt}: mount what holds "
            "the target at the same path on both, and try again"
        )
    if os.path.lexists(directory) and (directory.is_symlink() or not directory.is_dir()):
        raise TargetRefused(
            f"{str(directory)!r} is no directory but something else, such as a link, so the claim that it stands for "
            "cannot be gone on with; see who made it, remove it, and run the stage from its beginning"
        )
    why = "it was not left open, or it is over"
    try:
        if claim := once_seen(
            lambda: read_open_claim(control, attempt), (*above, directory), host if is_seen else None
        ):
            return claim
    except ManifestDamaged as error:
        why = str(error)
    raise AttemptSuperseded(
        f"there is no claim of attempt {attempt} on the target {str(control.target)!r} to go on with: {why}; run the "
        "stage from its beginning"
    )


def _base(control: ControlDirectory, left: OpenClaim, current: Manifest | None) -> Manifest | None:
    if left.base is None or (current is not None and current.snapshot == left.base):
        return current if left.base else None
    try:
        held = hold_pinned(control.target, left.base)
    except SnapshotExpired as error:
        raise SnapshotExpired(
            f"snapshot {left.base} of {str(control.target)!r}, on which this claim builds, is no longer kept: somebody "
            "has removed it; run the stage from its beginning"
        ) from error
    held.close()
    return held.manifest


def _adoption(control: ControlDirectory, base: Manifest | None) -> Adoption | None:
    """The permission that the commit uses up."""
    adoption = control.read_adoption()
    is_for_it = adoption and adoption.is_for(base.snapshot if base else None, last_changed(control.target))
    return adoption if is_for_it else None
