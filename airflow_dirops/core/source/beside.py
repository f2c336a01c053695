"""What lies beside a folder that is not there: folders that are named otherwise, or nearly so."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice

from airflow_dirops.core.messages.first_few import first_few

_MOST_NAMED = 3
_LOOKED_AT = 10_000


def named_otherwise(room: str, path: str) -> str:
    """In one phrase, that the folders in a directory are named otherwise than a path asks for; empty if they are not.

    Digits and words stand for any others: ``2026-11-05`` is named like ``2026-11-04``, and unlike ``2026``.

    :param room: the directory.
    :param path: of what is not there.
    """
    asked = os.path.relpath(path, room).split("/")[0]
    names = list(_folders_in(room))
    if not names or any(_shape(name) == _shape(asked) for name in names):
        return ""
    few = first_few(sorted(names), _MOST_NAMED, repr)
    which = (
        f"none of the {few.count:,} folders in {room!r} is" if few.count > 1 else f"the one folder in {room!r} is not"
    )
    return f"{which} named like {asked!r}: {few.phrase()}"


def named_nearly(room: str, path: str) -> str:
    """The end of a message that asks whether a folder of a similar name was meant; empty where there is none.

    :param room: a directory.
    :param path: of what is not there, below it.
    """
    near = get_close_matches(os.path.relpath(path, room).split("/")[0], list(_folders_in(room)), n=2)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def _folders_in(directory: str) -> Iterator[str]:
    with suppress(OSError), os.scandir(directory) as entries:
        folders = (each.name for each in entries if not each.name.startswith(".") and each.is_dir())
        yield from islice(folders, _LOOKED_AT)


def _shape(name: str) -> str:
    return re.sub("[^\\W\\d_]+", "a", re.sub("[0-9]", "0", name))
