"""Who may claim and commit: decisions over what was read elsewhere. Nothing here reads or writes a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from airflow_dirops.core.attempts import Attempt, LogicalRun, Owner
from airflow_dirops.core.control import FencedRun
from airflow_dirops.core.errors import TargetRefused
from airflow_dirops.core.manifest import AttemptRecord, Manifest

# Of so many commits of one run it is known which try made them.
COMMITS_KNOWN = 8


def next_row(attempt: Attempt, before: FencedRun | None) -> FencedRun | None:
    """The line that a claim writes into the fence; None if a newer try of the same run has claimed already.

    :param before: the line of this run's latest claim.
    """
    if before and before.try_number > attempt.try_number and before.ti_id > attempt.ti_id:
        return None
    # An older try with a newer id is another incarnation: the run was deleted and made again.
    if before is None or before.try_number >= attempt.try_number:
        before = FencedRun(attempt.try_number, attempt.ti_id, attempt.id)
    return msgspec.structs.replace(
        before,
        try_number=attempt.try_number,
        ti_id=attempt.ti_id,
        attempt=attempt.id,
        began=before.began or before.ti_id,
    )


def try_that_committed(row: FencedRun, snapshot: Manifest | None) -> int:
    """Which try of a run made this snapshot, or the one that was brought back with it; 0 if none did."""
    if snapshot is None:
        return 0
    return max(row.committed.get(snapshot.snapshot, 0), row.committed.get(snapshot.restored or "", 0))


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


def refuse_sibling(
    target: Path, run: LogicalRun, committer: AttemptRecord | None, fence: Mapping[str, FencedRun]
) -> None:
    """Mapped instances of one run must not replace each other's snapshots: all but one would be lost, and all be green.

    :param run: who wants the target.
    :param committer: who committed the snapshot that is there.
    :param fence: the claims on this target, by logical run.
    :raises TargetRefused: if another instance of the same mapped task in the same run has committed there.
    """
    sibling = sibling_that_committed(run, committer, fence)
    if sibling is None:
        return
    raise TargetRefused(
        f"instance {run.map_index} of the mapped task {run.dag_id}.{run.task_id} wants the target {str(target)!r}, "
        f"where instance {sibling.map_index} of the same run {run.run_id!r} has committed. Each would replace what the "
        "one before made, so this one changes nothing, whatever on_conflict says. Give each instance a target of its "
        'own: .partial(...).expand_kwargs([{"source": "raw/a", "target": "interim/a"}, {"source": "raw/b", "target": '
        '"interim/b"}]). If the targets are different ones now, and only their order has changed, start another run'
    )


def sibling_that_committed(
    run: LogicalRun, committer: AttemptRecord | None, fence: Mapping[str, FencedRun]
) -> LogicalRun | None:
    """The other mapped instance of the same run that has committed to a target, if there is one.

    The fence remembers it when a third run has committed since.
    """
    committed = [LogicalRun.of(committer)] if committer else []
    committed += [known for key, row in fence.items() if row.committed and (known := LogicalRun.of_fence_key(key))]
    return next((other for other in committed if _are_siblings(run, other)), None)


def _are_siblings(run: LogicalRun, other: LogicalRun) -> bool:
    if run.map_index == other.map_index or min(run.map_index, other.map_index) < 0:
        return False
    return (run.dag_id, run.run_id, run.task_id) == (other.dag_id, other.run_id, other.task_id)
