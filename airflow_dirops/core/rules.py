"""Who may claim and commit: decisions over what was read elsewhere. Nothing here reads or writes a file."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from airflow_dirops.core.errors import (
    AttemptSuperseded,
    TargetConflict,
    TargetRefused,
)
from airflow_dirops.core.format.control import Adoption, FencedRun, Owner
from airflow_dirops.core.format.manifest import AttemptRecord, Manifest
from airflow_dirops.core.format.runs import Attempt, LogicalRun, time_of
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.place.claim import Terms
from airflow_dirops.core.stage.policies import OnConflict

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
    place: str, run: LogicalRun, committer: AttemptRecord | None, fence: Mapping[str, FencedRun]
) -> None:
    """Mapped instances of one run must not replace each other's snapshots: all but one would be lost, and all be green.

    :param place: the target, for messages.
    :param run: who wants it.
    :param committer: who committed the snapshot that is there.
    :param fence: the claims on this target, by logical run.
    :raises TargetRefused: if another instance of the same mapped task in the same run has committed there.
    """
    sibling = sibling_that_committed(run, committer, fence)
    if sibling is None:
        return
    raise TargetRefused(
        f"instance {run.map_index} of the mapped task {run.dag_id}.{run.task_id} wants the target {place!r}, "
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
    if newest is None or newest.attempt != attempt.id:
        raise AttemptSuperseded(_superseded(place, attempt, newest))


def _superseded(place: str, attempt: Attempt, newest: FencedRun | None) -> str:
    winner = f"try {newest.try_number}, begun {time_of(newest.attempt)}" if newest else "nobody's: it was removed"
    return (
        f"try {attempt.try_number} of {attempt.run} no longer owns the target {place!r}; "
        f"the newest claim is {winner}. Nothing of this try was committed; leave the target to the newer one"
    )


def adopt_command(place: str, stage: str) -> str:
    """What a person types to let a stage replace, once, what is not its own.

    :param place: the target.
    """
    return dirops_command("adopt", place, options=(f"--stage={stage}",) if stage else ())


def refuse_unmanaged(place: str, why: Exception, terms: Terms, adoption: Adoption | None = None) -> None:
    """Refuse to move aside what no stage wrote.

    :param place: the target, for messages.
    :param why: what lies there is no snapshot.
    :param adoption: what somebody has allowed, for once.
    :raises TargetRefused: if nobody allowed it.
    """
    if "unmanaged" in terms.may_replace or (adoption and adoption.lets(terms.stage, None)):
        return
    raise TargetRefused(
        f"the target {place!r} is there already and is no snapshot of ours ({why}); choose another "
        "target, or let this stage move it aside, once, to where it stays until you remove it: "
        f"{adopt_command(place, terms.stage)}"
    ) from why


def refuse_foreign(place: str, found: Manifest, terms: Terms, adoption: Adoption | None = None) -> None:
    """Refuse to replace what these terms do not cover.

    :param adoption: what somebody has allowed, for once.
    :param place: the target, for messages.
    :param found: the snapshot that would be replaced.
    :raises TargetRefused: if it is another stage's, and nobody allowed that; if it is another site's; or if a trial
        run would replace a full one.
    """
    is_allowed = "other_stage" in terms.may_replace or (adoption and adoption.lets(terms.stage, found.snapshot))
    if found.stage != terms.stage and not is_allowed:
        raise TargetRefused(
            f"the target {place!r} belongs to stage {found.stage!r}, and this is stage {terms.stage!r}; choose another "
            f"target, or let this stage replace that snapshot, once: {adopt_command(place, terms.stage)}"
        )
    refuse_other_dimensions(place, found, terms)
    if terms.limit is not None and found.limit is None:
        raise TargetRefused(
            f"the target {place!r} holds a full snapshot, and limit={terms.limit} is for a trial run; "
            "choose another target for the trial, or leave limit out, 'Trial run' in the trigger form"
        )


def refuse_other_dimensions(place: str, found: Manifest, terms: Terms) -> None:
    """Refuse to replace what another site made, or another camera.

    :param place: the target, for messages.
    :param found: the snapshot that would be replaced.
    :raises TargetRefused: if it has another value in a dimension that both have.
    """
    names = [name for name, value in terms.dimensions.items() if found.dimensions.get(name, value) != value]
    if not names:
        return
    theirs, mine = (
        ", ".join(f"{name}={given[name]!r}" for name in names) for given in (found.dimensions, terms.dimensions)
    )
    raise TargetRefused(
        f"the target {place!r} holds the snapshot of {theirs}, and this run is for {mine}: each would replace what the "
        "other made. Give each a target of its own, with its name in the path; where the file system takes upper and "
        "lower case for the same, the names must differ in more than that"
    )


def refuse_conflict(
    place: str,
    attempt: Attempt,
    base: Manifest | None,
    current: Manifest | None,
    sealed: Manifest,
    on_conflict: OnConflict,
) -> None:
    """Who wins when another run has committed since the claim.

    :param place: the target, for messages.
    :param base: what was there when the claim was made.
    :param current: what is there now.
    :param sealed: what would replace it.
    :raises TargetConflict: if this attempt loses.
    """
    if current is None:
        return
    if on_conflict == "newest" and current.attempt.order > attempt.order:
        raise TargetConflict(_conflict(place, current, "it stands for a later time than this run"))
    if base is not None and current.snapshot == base.snapshot:
        return
    is_trial = sealed.limit is not None and current.limit is None
    if on_conflict == "fail" or is_trial or current.stage != sealed.stage:
        raise TargetConflict(_conflict(place, current, "it was committed after this attempt began"))


def _conflict(place: str, current: Manifest, why: str) -> str:
    who = current.attempt
    name = f"{who.dag_id}.{who.task_id}" if who.dag_id else current.stage
    return (
        f"the target {place!r} holds snapshot {current.snapshot} of {name}, run {who.run_id!r}, "
        f"try {who.try_number}, committed {current.created}; {why}, so this attempt changes nothing. "
        "Run the task again to build on that snapshot, or set on_conflict='last' to replace it"
    )
