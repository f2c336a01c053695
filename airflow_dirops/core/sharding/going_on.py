"""Go on with the claim of a plan, and say what to clear where that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from airflow_dirops.core.errors import (
    AttemptSuperseded,
    DiropsError,
    PlanSuperseded,
    SnapshotExpired,
    SourceChanged,
    TargetConflict,
)
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.shards import PlanRecord
from airflow_dirops.core.place.claim import Claim
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.places import place_of
from airflow_dirops.core.plan.draw_up import terms_of
from airflow_dirops.core.plan.plan import Loss, Survey
from airflow_dirops.core.sharding.notes import PLAN_ANEW
from airflow_dirops.core.stage.stage import Stage


def go_on(stage: Stage, code: Code | None, plan: str, host: str, *, shard: int | None = None) -> tuple[Place, Claim]:
    """Go on with the claim under which a plan was made.

    :param code: the functions' own.
    :param plan: the id of the attempt that made it.
    :param host: which machine did.
    :raises PlanSuperseded: if it is over.
    :raises PlanNotSeen: if this machine sees nothing of it.
    :raises TargetRefused: if it was made with other code.
    """
    place = place_of(stage.target)
    if committed_by(place, plan):
        raise _committed(place, plan)
    with with_advice():
        return place, place.resume(plan, terms_of(stage, code), shard=shard, host=host)


def committed_by(place: Place, plan: str) -> Manifest | None:
    """The snapshot that is there, if it is what was made of a plan.

    :param plan: the id of the attempt that planned.
    """
    with suppress(DiropsError):
        current = place.read_header()
        return current if current.attempt.id == plan else None
    return None


def kept_commit_of(place: Place, plan: str) -> Manifest | None:
    """The snapshot that was made of a plan, if it is still kept.

    :param plan: the id of the attempt that planned.
    """
    return next((kept.manifest for kept in place.list_kept() if kept.manifest.attempt.id == plan), None)


def held_by(place: Place, plan: str) -> Manifest | None:
    """The snapshot that was made of a plan, and waits for somebody to publish it.

    :param plan: the id of the attempt that planned.
    """
    return next((held.manifest for held in place.list_held() if held.manifest.attempt.id == plan), None)


@contextmanager
def unless_committed(stage: Stage, plan: str) -> Iterator[None]:
    """Say of what fails because another process has committed the plan that it is over: what was needed went with that.

    :param plan: the id of the attempt that planned.
    :raises PlanSuperseded: for any error, if that is so.
    """
    try:
        yield
    except PlanSuperseded:
        raise
    except DiropsError as error:
        place = place_of(stage.target)
        if kept_commit_of(place, plan):
            raise _committed(place, plan) from error
        raise


def _committed(place: Place, plan: str) -> PlanSuperseded:
    return PlanSuperseded(
        f"the plan {plan} has been committed to the target {place.name!r} already, so nothing more is done for it. "
        f"To do all of it anew: {PLAN_ANEW[0].lower()}{PLAN_ANEW[1:]}"
    )


def _superseded(error: AttemptSuperseded) -> PlanSuperseded:
    """The error of whoever works for a plan that is over."""
    return PlanSuperseded(
        f"the plan that this was a part of is over, and what was done for it is not committed: {error}. If nothing "
        f"newer is at work: {PLAN_ANEW[0].lower()}{PLAN_ANEW[1:]}"
    )


@contextmanager
def with_advice() -> Iterator[None]:
    """Say of what another try of a shard or of a commit would meet again that the plan has to be made anew.

    :raises PlanSuperseded: for an attempt that was superseded.
    """
    try:
        yield
    except PlanSuperseded:
        raise
    except AttemptSuperseded as error:
        raise _superseded(error) from error
    except (SourceChanged, SnapshotExpired, TargetConflict) as error:
        raise type(error)(f"{error}. This was planned before. {PLAN_ANEW}") from error


def survey_of(plan: PlanRecord) -> Survey:
    """What the walk through the whole plan had counted, as far as work depends on it."""
    return Survey(
        total=plan.total,
        shared=0,
        reasons=plan.reasons,
        removed=plan.removed,
        loss=Loss(0, 0, "results"),
        bytes_before=None,
        is_due=plan.is_due,
    )
