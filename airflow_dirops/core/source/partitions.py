"""Open the partitions of a roll-up, and say which are missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from airflow_dirops.core.errors import ArgumentRefused, SourceMissing
from airflow_dirops.core.format.manifest import HEADER
from airflow_dirops.core.messages.first_few import first_few
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places import place_of
from airflow_dirops.core.source.absence import Absence, in_the_way, is_there
from airflow_dirops.core.source.bare import BareDirectory
from airflow_dirops.core.source.beside import named_otherwise
from airflow_dirops.core.source.rollup import Member, Rollup
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.partitions import Partition, Partitions
from airflow_dirops.core.stage.patterns import Selection

log = logger(__name__)

_MAX_TOLD = 10


def open_partitions(
    asked: Partitions, open_one: Callable[[str], Source], *, selection: Selection, absence: Absence
) -> Source:
    """All the partitions, held open as one source.

    :param open_one: opens one that a stage committed.
    :param absence: judges whether all of them may be missing.
    :raises SourceMissing: with those that are missing, where that is not allowed.
    :raises ArgumentRefused: with those that no stage committed.
    """
    missing = [each for each in asked if not is_there(each.path)]
    _refuse_bare(asked, missing)
    may_go_on = asked.missing == "allow" and (absence.may_be or len(missing) < len(asked))
    if not may_go_on and missing:
        raise _missing(asked, missing)
    # A link that leads nowhere stands for what is away, and not for what was never made.
    if obstacles := [each for each in (in_the_way(each.path, asked.room) for each in missing) if each]:
        raise SourceMissing(f"{len(obstacles)} of the {len(asked)} partitions are not there", sorted(set(obstacles)))
    if len(missing) == len(asked):
        absence.check_all(asked)
    with ExitStack() as opened:
        there = (each for each in asked if each not in missing)
        members = [Member(each.name, opened.enter_context(closing(open_one(each.path)))) for each in there]
        opened.pop_all()
    names = [each.name for each in missing]
    if missing:
        told = first_few(names, _MAX_TOLD).phrase()
        log.warning("%d of %d partitions are missing: %s", len(missing), len(asked), told)
    if not members:
        members = [Member(each.name, BareDirectory(Path(each.path), selection, is_missing=True)) for each in missing]
    return Rollup(asked, members, names, selection)


def _refuse_bare(asked: Partitions, missing: Sequence[Partition]) -> None:
    there = (each.path for each in asked if each not in missing)
    if bare := [repr(path) for path in there if not is_there(os.path.join(path, HEADER))]:
        raise ArgumentRefused(
            f"{len(bare)} of the {len(asked)} partitions are folders that no stage committed, and a roll-up reads "
            "what manifests list; read each into a target with read_directory or DirectoryReadOperator, and give "
            "that target's path",
            bare,
        )


def _missing(asked: Partitions, missing: Sequence[Partition]) -> SourceMissing:
    advice = "run the stage that makes them for these"
    if len(missing) < len(asked):
        advice += ", or go on without them with missing='allow'"
    else:
        advice += ", and check the path and that it is mounted"
    if len(missing) == len(asked) and (unlike := named_otherwise(asked.room, missing[0].path)):
        advice = f"{unlike}; give partition_format= as they are named, or mend the path"
    which = f"{len(missing)} of the {len(asked)} partitions" if len(asked) > 1 else "the only partition"
    return SourceMissing(
        f"{which} of {str(asked.path)!r} {'do' if len(asked) > 1 else 'does'} not exist; {advice}",
        [f"{each.name!r}: no folder {each.path!r}{place_of(each.path).remains()}" for each in missing],
    )
