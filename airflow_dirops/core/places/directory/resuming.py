"""Go on with a claim that another process has left open: as one more process of the same attempt."""

from __future__ import annotations

import socket
import time
from math import inf

from airflow_dirops.core.errors import ArgumentRefused, AttemptSuperseded, PlanNotSeen
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
from airflow_dirops.core.places.directory.open_claims import current_of, given_up_at, read_open_claim
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
    directories = (control.target.parent, control.path, control.attempts, control.attempts / attempt_id)
    left = once_seen(lambda: read_open_claim(control, attempt_id), directories, host)
    if left is None and not control.path.is_dir():
        raise PlanNotSeen(
            f"machine {socket.gethostname()!r} does not see {str(control.path)!r}, where "
            f"{f'machine {host!r}' if host else 'another one'} left the claim of attempt {attempt_id}: mount what "
            "holds the target at the same path on both, and try again"
        )
    if left is None:
        raise AttemptSuperseded(
            f"there is no claim of attempt {attempt_id} on the target {str(control.target)!r} to go on with: it was "
            "not left open, or it is over; run the stage from its beginning"
        )
    attempt, place = left.attempt(attempt_id), str(control.target)
    with control.locked(f"{attempt.run}, try {attempt.try_number}"):
        finish_swap(control)
        fence, current = control.read_fence(), current_of(control)
        refuse_superseded(place, attempt, fence)
        refuse_ended(place, attempt, fence, current)
        until = given_up_at(control, attempt_id)
        if left.while_at_work and fence[attempt.run.fence_key].open:
            until = inf  # nobody has taken what it left, or this could not be read
        refuse_to_go_on(place, attempt, left, terms, until, time.time())
        base = _base(control, left, current)
        adoption = _adoption(control, base)
        others = [LeftArea(area) for area in areas_of(control.attempts, attempt_id)]
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


def _base(control: ControlDirectory, left: OpenClaim, current: Manifest | None) -> Manifest | None:
    if left.base is None or (current is not None and current.snapshot == left.base):
        return current if left.base else None
    held = hold_pinned(control.target, left.base)
    held.close()
    return held.manifest


def _adoption(control: ControlDirectory, base: Manifest | None) -> Adoption | None:
    """The permission that the commit uses up."""
    adoption = control.read_adoption()
    is_for_it = adoption and adoption.is_for(base.snapshot if base else None, last_changed(control.target))
    return adoption if is_for_it else None
