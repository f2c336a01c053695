"""Whose a target is: the newest claim of each run, what it has committed, and whether somebody goes on with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from airflow_dirops.core.errors import AttemptSuperseded, TargetRefused
from airflow_dirops.core.format.control import FencedRun, OpenClaim, Owner
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.runs import Attempt, LogicalRun, time_of
from airflow_dirops.core.place.claim import Terms

# Of so many commits of one run it is known which try made them.
COMMITS_KNOWN = 8
# A claim that was left open, and that nobody has worked on for so long, is given up: a week.
OPEN_SECONDS = 7 * 24 * 3600.0


def next_row(attempt: Attempt, before: FencedRun | None) -> FencedRun | None:
    """The line that a claim writes into the fence; None if a newer try of the same run has claimed already.

    :param before: the line of this run's latest claim.
    """
    if before and before.try_number > attempt.try_number and before.ti_id > attempt.ti_id:
        return None
    # An older try with a newer id is another incarnation: the run was deleted and made again.
    if before is None or before.try_number >= attempt.try_number:
        before = FencedRun(attempt.try_number, attempt.ti_id, attempt.id)
    # No try has committed that has not claimed yet; a line that says so would end every later one.
    known = {snapshot: made for snapshot, made in before.committed.items() if made <= before.try_number}
    return msgspec.structs.replace(
        before,
        try_number=attempt.try_number,
        ti_id=attempt.ti_id,
        attempt=attempt.id,
        committed=known,
        done=before.done if before.done <= before.try_number else 0,
        began=before.began or before.ti_id,
        open=False,
    )


def try_that_committed(row: FencedRun, snapshot: Manifest | None) -> int:
    """Which try of a run made this snapshot, or the one that was brought back with it; 0 if none did."""
    if snapshot is None:
        return 0
    return max(row.committed.get(snapshot.snapshot, 0), row.committed.get(snapshot.restored or "", 0))


def noted_by(row: FencedRun) -> frozenset[str]:
    """The snapshots that the claim of this line has committed, or was about to."""
    return frozenset(snapshot for snapshot, made in row.committed.items() if made >= row.try_number)


def has_committed(row: FencedRun, current: Manifest | None, sealed: Collection[str]) -> bool:
    """Whether the claim of this line has committed: its snapshot is there, or was until another one replaced it, or
    somebody removed it.

    :param sealed: the snapshots that lie in the claim's staging areas; what is noted and not there was committed.
    """
    return is_known_to_stand(row, current) or not noted_by(row).issubset(sealed)


def is_known_to_stand(row: FencedRun, current: Manifest | None) -> bool:
    """Whether what the claim of this line has committed is there, or was replaced by who saw it there."""
    return max(try_that_committed(row, current), row.done) >= row.try_number


def was_cleared(attempt: Attempt, row: FencedRun, base: Manifest | None) -> bool:
    """Whether this run had committed before a user cleared the task, and has not since.

    Another run may have committed in between: the line remembers.
    """
    last = max(try_that_committed(row, base), row.done)
    return 0 < last < attempt.first_try_number


def rows_after(
    attempt: Attempt, fence: Mapping[str, FencedRun], current: Manifest | None, snapshot: str
) -> dict[str, FencedRun]:
    """The lines of the fence that change with a commit: this run's, and of whoever made what is replaced.

    :param current: what is replaced.
    :param snapshot: what is committed.
    """
    replaced = {
        key: msgspec.structs.replace(row, done=max(row.done, made))
        for key, row in fence.items()
        if (made := try_that_committed(row, current))
    }
    key = attempt.run.fence_key
    mine = replaced.pop(key, fence[key])
    # What is replaced stays the target if the swap fails, and may be brought back later.
    committed = dict([*mine.committed.items(), (snapshot, attempt.try_number)][-COMMITS_KNOWN:])
    return replaced | {key: msgspec.structs.replace(mine, committed=committed)}


def rows_after_publishing(
    attempt: Attempt, fence: Mapping[str, FencedRun], current: Manifest | None, held: Manifest
) -> dict[str, FencedRun]:
    """As :func:`rows_after`, where a snapshot is published that another run has made: its line says so as well.

    :param attempt: who publishes.
    :param held: what is published.
    """
    rows = rows_after(attempt, fence, current, held.snapshot)
    key = LogicalRun.of(held.attempt).fence_key
    maker = rows.get(key) or fence.get(key)
    if maker is None or key == attempt.run.fence_key or held.attempt.try_number > maker.try_number:
        return rows
    committed = dict([*maker.committed.items(), (held.snapshot, held.attempt.try_number)][-COMMITS_KNOWN:])
    noted = msgspec.structs.replace(maker, committed=committed)
    return {key: noted} | {other: row for other, row in rows.items() if other != key}


def can_reuse(owner: Owner, attempt: Attempt, row: FencedRun, fingerprint: str, *, full: bool) -> bool:
    """Whether a dead attempt's finished files may stand for work of this one.

    :param row: this attempt's line in the fence.
    :param full: everything is made anew: only what earlier tries of this run have made anew counts, since the task
        was last cleared.
    """
    if owner.fingerprint != fingerprint:
        return False
    if not full:
        return True
    is_same_run = owner.run == attempt.run and owner.ti_id >= row.began
    return owner.full and is_same_run and owner.try_number >= attempt.first_try_number


def numbered(attempt: Attempt, fence: Mapping[str, FencedRun]) -> Attempt:
    """The attempt with its number among the tries of its run, where no scheduler has counted them."""
    if attempt.try_number:
        return attempt
    before = fence.get(attempt.run.fence_key)
    return msgspec.structs.replace(attempt, try_number=before.try_number + 1 if before else 1)


def claiming_row(place: str, attempt: Attempt, fence: Mapping[str, FencedRun]) -> FencedRun:
    """As :func:`next_row`.

    :param place: the target, for messages.
    :raises AttemptSuperseded: if a newer try of the same run has claimed it already.
    """
    before = fence.get(attempt.run.fence_key)
    row = next_row(attempt, before)
    if row is None:
        raise AttemptSuperseded(_superseded(place, attempt, before))
    return row


def refuse_superseded(place: str, attempt: Attempt, fence: Mapping[str, FencedRun]) -> None:
    """Refuse an attempt of whose run a newer one has begun.

    :param place: the target, for messages.
    :raises AttemptSuperseded: unless the newest claim of this run is this very attempt's.
    """
    newest = fence.get(attempt.run.fence_key)
    mine = (attempt.id, attempt.try_number, attempt.ti_id)
    if newest is None or (newest.attempt, newest.try_number, newest.ti_id) != mine:
        raise AttemptSuperseded(_superseded(place, attempt, newest))


def refuse_ended(
    place: str, attempt: Attempt, fence: Mapping[str, FencedRun], current: Manifest | None, sealed: Collection[str]
) -> None:
    """Refuse a process of an attempt that another process of it has brought to its end.

    :param place: the target, for messages.
    :param current: what is there now.
    :param sealed: the snapshots that lie in the attempt's staging areas.
    :raises AttemptSuperseded: if the attempt has committed.
    """
    row = fence.get(attempt.run.fence_key)
    if row is not None and row.attempt == attempt.id and has_committed(row, current, sealed):
        stands = "what the other one committed stands"
        removed = "what the other one committed was removed since; run the stage from its beginning"
        raise AttemptSuperseded(
            f"try {attempt.try_number} of {attempt.run} has committed to the target {place!r} already, by another of "
            f"its processes. This one changes nothing; {stands if is_known_to_stand(row, current) else removed}"
        )


def open_until(
    row: FencedRun,
    current: Manifest | None,
    sealed: Collection[str],
    last_work: float,
    *,
    while_at_work: bool = False,
) -> float | None:
    """Until when the claim of a line waits for a process that goes on with it; None if it does not.

    :param current: the snapshot that is there now.
    :param sealed: the snapshots that lie in the claim's staging areas.
    :param last_work: when a process of it was last at work, by the clock of the place, in seconds.
    :param while_at_work: it is open only for as long as any process of it is at work.
    """
    if not row.open or has_committed(row, current, sealed):
        return None
    return last_work if while_at_work else last_work + OPEN_SECONDS


def is_dead(*, is_at_work: bool, until: float | None, now: float) -> bool:
    """Whether an attempt that has not committed will not either, and its finished files are anybody's.

    :param is_at_work: whether any process of it may be.
    :param until: when it is given up, as :func:`open_until` says.
    """
    return not is_at_work and (until is None or until <= now)


def refuse_to_go_on(
    place: str, attempt: Attempt, claim: OpenClaim, terms: Terms, until: float | None, now: float
) -> None:
    """Refuse to go on with a claim that is not open, or is for other work.

    :param place: the target, for messages.
    :param until: when it is given up, as :func:`open_until` says.
    :raises AttemptSuperseded: if it is not open, or not any more.
    :raises TargetRefused: if another stage, or other code, claimed the target.
    """
    who = f"the claim of try {attempt.try_number} of {attempt.run} on the target {place!r}"
    if until is None or until <= now:
        since = "nobody is at work on it any more" if claim.while_at_work else "for a week nobody has worked on it"
        why = "was not left open" if until is None else f"was left open, and {since}"
        raise AttemptSuperseded(f"{who} {why}, so nobody can go on with it; run the stage from its beginning")
    if claim.stage != terms.stage:
        raise TargetRefused(f"{who} is of stage {claim.stage!r}, and stage {terms.stage!r} cannot go on with it")
    if claim.dimensions != dict(terms.dimensions):
        raise TargetRefused(
            f"{who} is for {claim.dimensions or 'no dimensions'}, and this process is for "
            f"{dict(terms.dimensions) or 'none'}; go on with what the claim is for"
        )
    if claim.fingerprint != (terms.fingerprint or ""):
        raise TargetRefused(
            f"{who} was made with other code than this process has, and one snapshot is made by one code; give every "
            "machine the same code, and run the stage from its beginning"
        )


def _superseded(place: str, attempt: Attempt, newest: FencedRun | None) -> str:
    winner = f"try {newest.try_number}, begun {time_of(newest.attempt)}" if newest else "nobody's: it was removed"
    return (
        f"try {attempt.try_number} of {attempt.run} no longer owns the target {place!r}; "
        f"the newest claim is {winner}. Nothing of this try was committed; leave the target to the newer one"
    )
