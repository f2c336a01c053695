"""Why a stage has nothing to publish: no folder, no file that matches, or nothing that came of the files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice

from airflow_dirops.core.errors import NothingMade, SourceEmpty
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.manifest import Counts
from airflow_dirops.core.places import place_of
from airflow_dirops.core.source.absence import Absence
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.stage import Stage

# So many names tell whether upper case is the reason.
_LOOKED_AT = 1_000


def why_empty(source: Source) -> str:
    """In one phrase, why there is no input."""
    missing = [single for single in source.described if single.is_missing]
    if missing:
        folders = [os.path.abspath(single.path) for single in missing]
        return f"there is no folder {' and no folder '.join(f'{each!r}{place_of(each).remains()}' for each in folders)}"
    places = " and ".join(
        f"{str(single.path)!r} matches {single.selection.pattern!r}"
        for single in {(single.path, single.selection.pattern): single for single in source.described}.values()
    )
    return f"no file in {places}" if len(source.described) == 1 else f"no key is in every source: what in {places}"


def empty_source(source: Source) -> SourceEmpty:
    """The error for a source in which nothing matches."""
    more = f" ({source.ignored} more names were passed over)" if source.ignored else ""
    return SourceEmpty(
        f"{why_empty(source)}{more}; check the path and the pattern, "
        "or set empty='skip' or empty='commit' if that is to be expected",
        _left_out(source),
    )


def what_is_there(stage: Stage, source: Source) -> str:
    """What is there where a stage finds nothing: files that do not match, or folders of other names; else nothing."""
    absence = Absence(stage)
    otherwise = (absence.otherwise(single.path) for single in source.singles if single.is_missing)
    return "; ".join(dict.fromkeys([*_left_out(source), *filter(None, otherwise)]))


def is_nothing(counts: Counts) -> bool:
    """Whether inputs were read, and none gave a result; those that failed are a matter of ``max_failures``."""
    return counts.entries == 0 and counts.inputs > counts.quarantined


def nothing_made(stage: Stage, where: str, counts: Counts, inputs: Iterable[Input]) -> NothingMade:
    """The error for inputs that all gave nothing.

    :param where: they lie.
    """
    failed = f", and {counts.quarantined} failed" if counts.quarantined else ""
    return NothingMade(
        f"{why_nothing_made(stage, where, counts)}{failed}; nothing was published. Return a value for the files that "
        "are wanted, narrow the pattern, or set empty='skip' or empty='commit' if that is to be expected",
        _in_upper_case(inputs),
    )


def why_nothing_made(stage: Stage, where: str, counts: Counts) -> str:
    """In one phrase, what came of the inputs.

    :param where: they lie.
    """
    return (
        f"{counts.inputs} inputs in {where!r} were read, and {stage.function_name} gave None for "
        f"{'all of them' if stage.aggregate or not counts.quarantined else 'all that did not fail'} "
        f"(stage {stage.name})"
    )


def _left_out(source: Source) -> Iterator[str]:
    for single in source.singles:
        if single.selection.left_out:
            hint = f"; {told}" if (told := single.selection.hint()) else ""
            names = single.selection.names_left_out
            which = (
                f"{names.count:,} files in {str(single.path)!r} do"
                if names.count > 1
                else f"1 file in {str(single.path)!r} does"
            )
            yield f"{which} not match: {names.phrase()}{hint}"


def _in_upper_case(inputs: Iterable[Input]) -> Iterator[str]:
    for item in islice(inputs, _LOOKED_AT):
        for part in item.parts or (item,):
            suffix = part.path[len(part.key) :]
            if suffix != suffix.lower():
                yield (
                    f"names such as {part.path!r} end in upper case: a function that looks for {suffix.lower()!r} "
                    f"finds them with path.lower().endswith({suffix.lower()!r})"
                )
                return
