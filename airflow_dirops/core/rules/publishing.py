"""Which held snapshot is meant, whether it may be published, and how long it stays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from airflow_dirops.core.errors import NotHeld, TargetConflict
from airflow_dirops.core.format.control import Hold, Rejection
from airflow_dirops.core.format.lists import FILES, SKIPPED
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.runs import shown_time
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.place.held import OnHold

# Nobody removes what has just run out of time while somebody else is about to publish it.
GRACE_SECONDS = 3600.0
# So many rejections are remembered.
REJECTIONS_KNOWN = 50
_RUN_AGAIN = "run its stage again, which takes over what was finished"


def is_open(until: float, now: float) -> bool:
    """Whether a held snapshot may still be published.

    :param until: when its time is over, in seconds since the epoch.
    """
    return now < until


def waiting(held: Iterable[OnHold], now: float) -> list[OnHold]:
    """Those that may still be published."""
    return [kept for kept in held if is_open(kept.until, now)]


def is_same_work(held: Manifest, sealed: Manifest) -> bool:
    """Whether a held snapshot is what was just made again: from the same base, by the same code, with the same lists.

    Of failed inputs the number counts, as their tracebacks differ from try to try.
    """

    def work(made: Manifest) -> tuple[object, ...]:
        lists = (made.lists[FILES], made.lists[SKIPPED])
        return made.stage, made.base, made.function.fingerprint, made.limit, made.dimensions, made.counts, lists

    return work(held) == work(sealed)


def must_stay(hold: Hold | None, sealed: str | None, now: float) -> bool:
    """Whether a staging area must not be removed, since a held snapshot lies in it.

    :param sealed: the snapshot in it.
    """
    return hold is not None and hold.snapshot == sealed and now < hold.until + GRACE_SECONDS


def chosen(
    place: str, held: Sequence[OnHold], rejections: Collection[Rejection], snapshot: str | None, now: float
) -> OnHold:
    """The held snapshot that is meant.

    :param place: the target, for messages.
    :param held: those that lie there, whether or not their time is over.
    :param snapshot: its id; None where there is one only.
    :raises NotHeld: if there is none, or there are several and none was named.
    """
    still = waiting(held, now)
    if snapshot is None:
        if len(still) == 1:
            return still[0]
        if still:
            raise NotHeld(
                f"{len(still)} snapshots are held of the target {place!r}, so name the one that you mean by its id",
                (_described(kept) for kept in still),
            )
    if found := next((kept for kept in still if kept.manifest.snapshot == snapshot), None):
        return found
    raise NotHeld(_why_none(place, held, still, rejections, snapshot))


def refuse_moved_base(place: str, held: Manifest, current: Manifest | None) -> None:
    """Refuse to publish what was made to replace another snapshot than the one that is there.

    :param place: the target, for messages.
    :param current: what is there now.
    :raises TargetConflict: if another snapshot was committed since, unless it has the lists of the one before.
    """
    if current is None or (held.base is not None and held.base in (current.snapshot, current.restored)):
        return
    who = current.attempt
    name = f"{who.dag_id}.{who.task_id}" if who.dag_id else current.stage
    before = f"snapshot {held.base}" if held.base else "an empty place"
    raise TargetConflict(
        f"snapshot {held.snapshot} was made to replace {before} at the target {place!r}, and snapshot "
        f"{current.snapshot} of {name}, run {who.run_id!r}, was committed since; so nothing was changed. To build on "
        f"that one, {_RUN_AGAIN}; then decide about what it holds, and reject this one: "
        f"{dirops_command('reject', place, options=(f'--snapshot={held.snapshot}', '--reason=outdated'))}"
    )


def _why_none(
    place: str,
    held: Sequence[OnHold],
    still: Sequence[OnHold],
    rejections: Collection[Rejection],
    snapshot: str | None,
) -> str:
    what = f"snapshot {snapshot}" if snapshot else "no snapshot"
    for rejected in rejections:
        if rejected.snapshot == snapshot:
            return (
                f"{what} of the target {place!r} was rejected by {rejected.user} at {rejected.rejected} "
                f"({rejected.reason}); {_RUN_AGAIN}"
            )
    for kept in held:
        if snapshot in (None, kept.manifest.snapshot) and kept not in still:
            return (
                f"snapshot {kept.manifest.snapshot} of the target {place!r} was held until "
                f"{shown_time(kept.until)}, and nobody decided; {_RUN_AGAIN}"
            )
    others = f"; held are: {', '.join(map(_described, still))}" if still else ""
    is_not = f"{what} is not held" if snapshot else "no snapshot is held"
    return f"{is_not} of the target {place!r}{others}. A stage with publish='hold' holds what it makes"


def _described(kept: OnHold) -> str:
    made = kept.manifest
    return f"{made.snapshot}, made by run {made.attempt.run_id!r} at {made.created}"
