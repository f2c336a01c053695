"""The paths that people write: a home directory expanded, and text that was meant to be replaced refused.

A folder that is really called ``$DATA`` or ``{date}`` can be used, once it is there; none of that name is ever made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.pins import Pin, pin_of
from airflow_dirops.core.messages.shown import shown

SourceLike = str | os.PathLike[str] | Mapping[str, Any] | Pin
"""A path; or a pin, such as the plain values that a stage or a sensor returned."""


class _Leftover(NamedTuple):
    pattern: re.Pattern[str]
    what: str


_VARIABLE = "an environment variable, and none is filled in here: write os.environ['NAME'] or os.path.expandvars()"
_LONGEST = 4096  # PATH_MAX of Linux

_LEFTOVERS = (
    _Leftover(
        re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:[/\\]|(?<=/)[A-Za-z][A-Za-z0-9+.-]+://"),
        "a URL or a drive: mount what it names, and give the directory",
    ),
    _Leftover(
        re.compile(r"\{\{|\}\}|\{%"), "a template, and nobody rendered it: operators render theirs, else fill it in"
    ),
    _Leftover(re.compile(r"\$\w+|\$\{[^/]*\}|\$\([^/]*\)|%[A-Za-z_]\w+%"), _VARIABLE),
    _Leftover(
        re.compile(r"(?<!\{)\{[A-Za-z_]\w*[^/{}]*\}"),
        "a placeholder that is left over: fill it in, as an f-string does",
    ),
    _Leftover(
        re.compile(r"(?<![\w%])%[YGymdFHjVUW](?![A-Za-z0-9])|(?<![\w%])%[YG]%"),
        "a date's format: fill it in with strftime()",
    ),
    _Leftover(re.compile(r"<[^/<>]* at 0x[0-9a-f]+>"), "the text of an object: give what it holds"),
    _Leftover(re.compile(r"(?:^|(?<=/))(?:None|NaT|nan)(?=/|$)"), "what an empty value is written as: give the value"),
    _Leftover(re.compile(r"[^/]*\*[^/]*"), "a pattern: give the directory, and pattern= for files in it"),
    _Leftover(re.compile(r"[\n\r\t]|^\s|\s$"), "white space that was read along with the path: strip() it"),
)


def checked_source(name: str, value: object) -> str | Pin:
    """A directory, or a snapshot or listing of one, by an absolute path.

    :param name: the argument's, for the message.
    :param value: a path, a pin, or the plain values of one.
    :raises ArgumentRefused: as :func:`checked_path`, or if it is a mapping and no pin.
    """
    pin = pin_of(value)
    return pin.at(checked_path(name, pin.path)) if pin else checked_path(name, value)


def checked_path(name: str, value: object, *, kept: str | None = None) -> str:
    """A path argument as absolute text; ``~`` and ``~user`` are expanded.

    :param name: the argument's, for the message.
    :param kept: a placeholder that is filled in later.
    :raises ArgumentRefused: if it is empty or no path, since an empty path never means "here" or "everything"; or if
        it holds text that was meant to be replaced, and there is no such directory.
    """
    if not (isinstance(value, os.PathLike | str) and (text := os.fsdecode(value)).strip() and "\0" not in text):
        raise ArgumentRefused(f"{name}= must be the path of a directory, and it is {value!r}")
    if len(os.fsencode(text)) >= _LONGEST:
        raise ArgumentRefused(f"{name}={shown(repr(text), 100)} is longer than a path can be, {_LONGEST:,} bytes")
    expanded = os.path.expanduser(text)
    if expanded.startswith("~") and not os.path.lexists(expanded.split("/")[0]):
        raise ArgumentRefused(
            f"{name}={text!r} begins with the home directory of {expanded.split('/')[0][1:] or 'this user'!r}, and "
            "there is none; write the path in full, or './~' for a directory of that name"
        )
    for leftover in _leftovers(expanded, kept):
        raise ArgumentRefused(f"{name}={text!r} {leftover}; nothing was read or written")
    if os.path.isabs(expanded):
        return os.fspath(Path(expanded))
    try:
        # Once and for all: a function may change the directory. Not ``abspath``, which takes ".." back through links.
        return os.fspath(Path(os.getcwd(), expanded))
    except FileNotFoundError as error:
        raise ArgumentRefused(
            f"{name}={text!r} is relative, and the working directory is gone; write it in full"
        ) from error


def leftover_in(name: str) -> str | None:
    """What in the name of a folder was meant to be replaced, and was not; None if there is nothing.

    :param name: of one folder, or of several with slashes.
    """
    for pattern, what in _LEFTOVERS:
        if found := pattern.search(name):
            return f"it holds {found[0]!r}, {what}"
    return None


def _leftovers(text: str, kept: str | None) -> Iterator[str]:
    for pattern, what in _LEFTOVERS:
        for found in pattern.finditer(text):
            if found[0] != kept and not _is_there(text, found):
                yield f"holds {found[0]!r}, {what}"


def _is_there(text: str, found: re.Match[str]) -> bool:
    """Whether the part of the path in which something was found is a directory already."""
    end = text.find("/", max(found.end() - 1, found.start()))
    return os.path.isdir(text if end < 0 else text[:end])
