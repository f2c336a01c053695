"""Failures over many targets, by exception and place in the user's code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airflow_dirops.core.errors import DiropsError, ManifestMissing
from airflow_dirops.core.messages.grouping import Group, Groups
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.stage.locations import checked_path
from airflow_dirops.core.upkeep.door import Target
from airflow_dirops.core.upkeep.failures import list_failures

_MOST = 20


@dataclass(frozen=True)
class FailuresIn:
    """Failures of one group in one target.

    :param target: its path.
    :param count: how many there are.
    :param paths: the first inputs, relative to the source.
    """

    target: str
    count: int
    paths: tuple[str, ...]


@dataclass(frozen=True)
class FailureGroup:
    """Failures that are alike, over all targets.

    :param id: short; the same for this sort of failure in every target.
    :param kind: of the error of this package that they came to.
    :param message: what their messages begin with.
    :param place: where in the user's own code, if they were raised there.
    :param decided: about how many somebody has decided already.
    """

    id: str
    error: str
    kind: str
    message: str
    place: str
    count: int
    decided: int
    targets: tuple[FailuresIn, ...]


@dataclass(frozen=True)
class FailureGroups:
    """What failed over some targets.

    :param groups: the largest first.
    :param failed: how many targets have failures.
    :param troubles: targets that could not be looked at, and why.
    """

    groups: tuple[FailureGroup, ...]
    failed: int
    troubles: dict[str, str]


def group_failures(targets: Iterable[Target], *, most: int | None = _MOST) -> FailureGroups:
    """What failed over many targets, as :func:`list_failures` says of each, by exception and place.

    A target that cannot be looked at is told of, and the rest goes on; one that nobody has tried counts as none.

    :param most: how many inputs are named for each target of a group; None for all.
    """
    groups, members, decided = Groups(), dict[str, dict[str, list[str]]](), dict[str, int]()
    troubles: dict[str, str] = {}
    failed = 0
    for target in targets:
        path = checked_path("target", target)
        try:
            inputs = list_failures(path).inputs
        except ManifestMissing:
            continue
        except DiropsError as error:
            troubles[path] = shown(error)
            continue
        failed += bool(inputs)
        for one in inputs:
            if (group := groups.add(one.path, one)) is not None:
                members.setdefault(group.id, {}).setdefault(path, []).append(one.path)
                decided[group.id] = decided.get(group.id, 0) + (one.decided is not None)
    return FailureGroups(
        tuple(_group(each, members[each.id], decided[each.id], most) for each in groups), failed, troubles
    )


def _group(group: Group, members: dict[str, list[str]], decided: int, most: int | None) -> FailureGroup:
    return FailureGroup(
        id=group.id,
        error=group.error,
        kind=group.kind,
        message=group.message,
        place=group.place,
        count=group.count,
        decided=decided,
        targets=tuple(FailuresIn(target, len(paths), tuple(paths[:most])) for target, paths in members.items()),
    )
