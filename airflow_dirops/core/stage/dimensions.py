"""What names a stage's source besides its partition: the site, the camera, the press.

A value becomes one folder of a path, so that no two values lead to one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.entries import path_problem
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.stage.locations import leftover_in

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""How a dimension may be called: as what stands between braces in a path."""

_TAKEN = "partition"
_LONGEST = 200  # so that a few of them fit into the 250 characters of a label in the web UI
_MOST = 20


def check_dimensions(given: Any) -> dict[str, str]:
    """The dimensions as they are, once each can be a part of a path.

    :param given: what a stage or an operator was given; None for none.
    :raises ArgumentRefused: with everything that cannot be used.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ArgumentRefused(
            f"dimensions={shown(repr(given), 100)} is a {type(given).__name__}; give a dict of names and values, such "
            "as dimensions={'site': 'berlin'}"
        )
    if findings := list(_problems(given)):
        raise ArgumentRefused("these dimensions cannot name folders", findings)
    return dict(given)


def _problems(given: Mapping[Any, Any]) -> Iterator[str]:
    if len(given) > _MOST:
        yield f"there are {len(given)}, and a stage has up to {_MOST}"
    for name, value in given.items():
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            yield f"the name {shown(repr(name), 100)} cannot stand between braces in a path; take one like 'site'"
        elif name == _TAKEN:
            yield "'partition' is no dimension, but the run's own; to set it, give partition= in place of it"
        elif problem := value_problem(value):
            yield f"{name}={shown(repr(value), 100)}: {problem}"


def value_problem(value: Any) -> str | None:
    """Why a value cannot be a folder of a path, if so."""
    if not isinstance(value, str):
        return f"it is a {type(value).__name__}, and names of folders are text; write it as they are named"
    if not value.strip() or value.strip() == "None":
        return "it is empty, and nothing would tell its folder from all others"
    if value != value.strip():
        return "it begins or ends with a space; strip() it"
    if len(value) > _LONGEST:
        return f"it has {len(value)} characters, and {_LONGEST} are the most"
    if "/" in value:
        return "it has a slash, and one dimension is one folder; give a name to each, as in {site}/{camera}"
    if not value.isprintable():
        return "it contains a character that cannot be printed"
    if value.startswith((".", "~")):
        return f"a name that begins with {value[0]!r} is hidden, leads elsewhere or stands for a home directory"
    return path_problem(value) or leftover_in(value)
