"""What lies in a control directory under names of ours: an id, and a number where several have the same one.

The first process of an attempt stages in ``attempts/<attempt>``, another one that goes on with its claim in
``attempts/<attempt>-2``, and so on.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from itertools import count, groupby
from pathlib import Path

from airflow_dirops.core.format.members import is_id

_ID_LENGTH = 36
_MOST = 1_000_000  # a number beyond is somebody else's, and would lead to names that are none of ours
_NUMBER = re.compile(r"(-[0-9]{1,9})?", re.ASCII)


def list_own(directory: Path) -> list[Path]:
    """The directories that are named by an id of ours, in order; all else there is somebody else's."""
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        own = [entry.name for entry in entries if is_own_name(entry.name) and entry.is_dir(follow_symlinks=False)]
        return [directory / name for name in sorted(own)]
    return []


def is_own_name(name: str) -> bool:
    """Whether a directory is named as attempts and retired snapshots are: by an id, which may be numbered."""
    return is_id(name[:_ID_LENGTH]) and _NUMBER.fullmatch(name[_ID_LENGTH:]) is not None


def id_in(name: str) -> str:
    """The id in a name of ours, without the number."""
    return name[:_ID_LENGTH]


def list_attempts(directory: Path) -> list[tuple[str, list[Path]]]:
    """The attempts that have left anything, by id, the oldest first, each with its staging areas in their order."""
    by_attempt = groupby(list_own(directory), key=lambda path: id_in(path.name))
    return [(attempt, sorted(areas, key=_number_of)) for attempt, areas in by_attempt]


def areas_of(directory: Path, attempt: str) -> list[Path]:
    """The staging areas of one attempt, in their order."""
    return sorted((path for path in list_own(directory) if id_in(path.name) == attempt), key=_number_of)


def next_area(directory: Path, attempt: str) -> Path:
    """Where one more process of an attempt stages. Under the target's lock."""
    taken = [number for area in areas_of(directory, attempt) if (number := _number_of(area)) <= _MOST]
    numbers = count(max(taken, default=0) + 1)
    names = (directory / (attempt if number == 1 else f"{attempt}-{number}") for number in numbers)
    return next(path for path in names if not os.path.lexists(path))  # whatever it is


def _number_of(area: Path) -> int:
    return int(area.name[_ID_LENGTH + 1 :] or 1)
