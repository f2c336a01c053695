"""What a claim and a commit may replace, and who wins where two of them want the same."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_dirops.core.errors import TargetConflict, TargetRefused
from airflow_dirops.core.format.control import Adoption, FencedRun
from airflow_dirops.core.format.manifest import AttemptRecord, Manifest
from airflow_dirops.core.format.runs import Attempt, LogicalRun
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.place.claim import Terms
from airflow_dirops.core.stage.policies import OnConflict


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


def adopt_command(place: str, stage: str) -> str:
    """What a person types to let a stage replace, once, what is not its own.

    :param place: the target.
    """
    return dirops_command("adopt", place, options=(f"--stage={stage}",) if stage else ())


def refuse_unmanaged(
    place: str, why: Exception, terms: Terms, adoption: Adoption | None = None, changed_ns: int | None = None
) -> None:
    """Refuse to move aside what no stage wrote.

    :param place: the target, for messages.
    :param why: what lies there is no snapshot.
    :param adoption: what somebody has allowed, for once.
    :param changed_ns: when what lies there was last changed.
    :raises TargetRefused: if nobody allowed it.
    """
    if "unmanaged" in terms.may_replace or (adoption and adoption.lets(terms.stage, None, changed_ns)):
        return
    raise TargetRefused(
        f"the target {place!r} is there already and is no snapshot of ours ({why}); choose another "
        "target, or let this stage move it aside, once, to where it stays until you remove it: "
        f"{adopt_command(place, terms.stage)}{_outlived(adoption, terms)}"
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
            f"{_outlived(adoption, terms)}"
        )
    refuse_other_dimensions(place, found, terms.dimensions)
    if terms.limit is not None and found.limit is None:
        raise TargetRefused(
            f"the target {place!r} holds a full snapshot, and limit={terms.limit} is for a trial run; "
            "choose another target for the trial, or leave limit out, 'Trial run' in the trigger form"
        )


def refuse_other_dimensions(place: str, found: Manifest, dimensions: Mapping[str, str]) -> None:
    """Refuse to replace what another site made, or another camera.

    :param place: the target, for messages.
    :param found: the snapshot that would be replaced.
    :param dimensions: those of who would replace it.
    :raises TargetRefused: if it has another value in a dimension that both have.
    """
    names = [name for name, value in dimensions.items() if found.dimensions.get(name, value) != value]
    if not names:
        return
    theirs, mine = (", ".join(f"{name}={given[name]!r}" for name in names) for given in (found.dimensions, dimensions))
    raise TargetRefused(
        f"the target {place!r} holds the snapshot of {theirs}, and this run is for {mine}: each would replace what the "
        "other made. Give each a target of its own, with its name in the path; where the file system takes upper and "
        "lower case for the same, the names must differ in more than that"
    )


def _outlived(adoption: Adoption | None, terms: Terms) -> str:
    if adoption is None or adoption.stage not in (None, terms.stage):
        return ""
    return ". It was let once, and that was for what was there then: it has changed since"


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
    :raises TargetRefused: if what is there now is another site's, whatever ``on_conflict`` says.
    :raises TargetConflict: if this attempt loses.
    """
    if current is None:
        return
    refuse_other_dimensions(place, current, sealed.dimensions)
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
