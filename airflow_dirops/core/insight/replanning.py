"""What a change of the code makes stale that was not before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from airflow_dirops.core.insight.cost import Cost, total_cost
from airflow_dirops.core.insight.states import PartitionStatus, Status


@dataclass(frozen=True)
class Replanned:
    """Partitions of a stage that a change makes stale.

    :param cause: ``code``: what makes them is another function, or has other parameters, packages or another codec;
        ``upstream``: they are made from such, and follow as far as those come out otherwise.
    :param changes: what of the code has changed, as far as it is known.
    :param partitions: by name; a target that has no partition is named by its path.
    :param cost: of making them anew, going by earlier runs.
    """

    stage: str
    target: str
    cause: Literal["code", "upstream"]
    changes: tuple[str, ...]
    partitions: tuple[str, ...]
    cost: Cost | None


def replanned(before: Status, after: Status) -> list[Replanned]:
    """What would be made anew with other code, and would not be without it.

    :param before: what :func:`~airflow_dirops.core.insight.status.status` says with the code as it was.
    :param after: what it says with the code as it is to be.
    :returns: in the order of the stages; what was stale for the same reason already is left out.
    """
    causes = {one.target: _causes(one) for stage in before.stages for one in stage.partitions}
    found = []
    for stage in after.stages:
        new = [(cause, one) for one in stage.partitions if (cause := _new_cause(one, causes.get(one.target, set())))]
        for (cause, changes), alike in groupby(sorted(new, key=_likeness), key=_likeness):
            ones = [one for _, one in alike]
            found.append(
                Replanned(
                    stage=stage.stage,
                    target=stage.target,
                    cause="code" if cause == "code" else "upstream",
                    changes=changes,
                    partitions=tuple(one.partition or one.target for one in ones),
                    cost=total_cost(one.cost for one in ones),
                )
            )
    return found


def _causes(one: PartitionStatus) -> set[str]:
    return {reason.kind for reason in one.reasons}


def _new_cause(one: PartitionStatus, before: set[str]) -> str | None:
    new = _causes(one) - before
    return "code" if "code" in new else "upstream" if "upstream" in new and "code" not in before else None


def _likeness(found: tuple[str, PartitionStatus]) -> tuple[str, tuple[str, ...]]:
    cause, one = found
    return cause, tuple(_changes(one)) if cause == "code" else ()


def _changes(one: PartitionStatus) -> Iterator[str]:
    for reason in one.reasons:
        if reason.kind == "code":
            yield from reason.changes
