"""Records that cannot be named in the target: collected, so that a user sees all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from airflow_dirops.core.errors import KeyRefused, KeyTaken
from airflow_dirops.core.format.entries import key_of
from airflow_dirops.core.format.lists import FileLine
from airflow_dirops.core.messages.first_few import first_few
from airflow_dirops.core.place.staging import Staging
from airflow_dirops.core.stage.stage import Stage

MAX_REFUSALS = 20
_MAX_NAMED = 5
_OWN_KEY = (
    "which a generator gives: def read(path, *, key): yield key + '_' + path.rpartition('.')[2], value; "
    "so 'a.jpg' and 'a.png' become 'a_jpg' and 'a_png'"
)


class Refusals:
    """What was refused so far."""

    def __init__(self, stage: Stage, staging: Staging) -> None:
        self._stage = stage
        self._staging = staging
        self._found: list[_Refusal] = []

    def add(self, path: str, error: KeyRefused) -> None:
        """Keep a refusal, to be raised with all the others.

        :raises KeyRefused: when there are so many that more would not help.
        """
        # Not the error, whose traceback holds on to the value.
        self._found.append(_Refusal(path, str(error), error.path if isinstance(error, KeyTaken) else None))
        if len(self._found) >= MAX_REFUSALS:
            self.raise_all()

    def raise_all(self) -> None:
        """Raise what was refused, in one error.

        :raises KeyRefused: with every refusal, if there was one.
        """
        if not self._found:
            return
        made_by = self._makers()
        raise _refused(
            self._stage,
            [f"from {found.input!r}: {found.message}{_maker(found.taken, made_by)}" for found in self._found],
        )

    def _makers(self) -> dict[str, str]:
        """The inputs of entries whose names were wanted once more, or other names that a file system takes for them."""
        taken = {found.taken.casefold() for found in self._found if found.taken}
        self._staging.drain()
        return {
            output.path: line.input.path
            for line in self._staging.finished()
            for output in line.outputs
            if output.path.casefold() in taken
        }


def keys_wanted_twice(stage: Stage, pairs: Sequence[tuple[FileLine, FileLine]]) -> KeyRefused:
    """The error for records that two shards have made under one name.

    :param pairs: what each of two has made.
    """
    return _refused(
        stage,
        [
            f"from {_named(other)}: the key {key_of(other.path)!r} is given twice: {other.path!r} is made already, "
            f"from {_named(one)}"
            for one, other in pairs
        ],
    )


def _named(line: FileLine) -> str:
    return first_few((item.path for item in line.inputs), _MAX_NAMED, repr).phrase(" and ")


def _refused(stage: Stage, findings: Sequence[str]) -> KeyRefused:
    # Those that came after so many have not been looked at.
    count = f"at least {MAX_REFUSALS}" if len(findings) >= MAX_REFUSALS else str(len(findings))
    return KeyRefused(
        f"{count} records of stage {stage.name} cannot be named in the target "
        f"{str(stage.target)!r}, and nothing was committed. Return None for those that are not wanted; "
        f"or keep them all under keys of their own, {_OWN_KEY}",
        findings,
    )


def _maker(taken: str | None, made_by: dict[str, str]) -> str:
    if taken is None:
        return ""
    if taken in made_by:
        return f", from {made_by[taken]!r}"
    alike = [maker for path, maker in made_by.items() if path.casefold() == taken.casefold()]
    return f", from {alike[0]!r}: this file system does not tell upper from lower case" if alike else ""


class _Refusal(NamedTuple):
    input: str
    message: str
    taken: str | None
