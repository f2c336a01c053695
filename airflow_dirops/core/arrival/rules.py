"""When a bare directory is complete: what is asked of it, and what could never come true."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.stage.patterns import compile_pattern

_COUNTS = {"min_files": 0, "min_bytes": 0, "same_looks": 2}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What must be so before a directory is complete; all that are given must hold.

    :param marker: a file that its writer makes last, relative to the directory.
    :param expected: the files that must be there, relative to the directory.
    :param min_files: how many there are at least; left out, one, unless the marker or the names say what belongs there.
    :param min_bytes: how large they are together at least.
    :param quiet_for: for how many seconds nothing may have changed.
    :param same_looks: over how many looks, one after the other, it must have been the same.
    :param pattern: which files count.
    :param follow_symlinks: whether links to directories are followed.
    :raises ArgumentRefused: with everything that could never come true.
    """

    marker: str | None = None
    expected: Sequence[str] = ()
    min_files: int | None = None
    min_bytes: int | None = None
    quiet_for: float | None = None
    same_looks: int | None = None
    pattern: str = "**/*"
    follow_symlinks: bool = False

    def __post_init__(self) -> None:
        if findings := list(unusable(vars(self))):
            raise ArgumentRefused("these rules can never be fulfilled", findings)

    @property
    def fewest(self) -> int:
        """How many files there are at least."""
        if self.min_files is not None:
            return self.min_files
        return 0 if self.marker or self.expected else 1


def unusable(rules: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with rules, or with those of them that are known while a DAG file is read.

    :param rules: the fields of :class:`Rules` by name. Where some are not known yet, one of these may say the most.
    """
    given = {name: value for name, value in rules.items() if value is not None and name in Rules.__annotations__}
    is_all = rules.keys() >= Rules.__annotations__.keys()
    if is_all and not any(
        given.get(name) for name in ("marker", "expected", "min_files", "min_bytes", "quiet_for", "same_looks")
    ):
        yield (
            'nothing says when the directory is complete; give marker="_READY" where its writer makes such a file at '
            "the end, expected= or min_files= where it is known what comes, or quiet_for=60 where it is not"
        )
    for name, least in _COUNTS.items():
        if name in given and (isinstance(given[name], bool) or not isinstance(given[name], int) or given[name] < least):
            yield f"{name}={given[name]!r} is no count of {least} or more"
    if not may_be_seconds(quiet := given.get("quiet_for", 1)):
        yield f"quiet_for={quiet!r} is no time; give seconds above 0, or a timedelta"
    yield from _unusable_names(given)


def _unusable_names(given: Mapping[str, Any]) -> Iterator[str]:
    if "marker" in given and (problem := _problem_of(given["marker"])):
        yield f"marker={given['marker']!r} {problem}"
    expected, pattern = given.get("expected", ()), given.get("pattern", "**/*")
    if isinstance(expected, str):
        yield f"expected={expected!r} is a text, not a list of names; write expected=[{expected!r}]"
        return
    try:
        matches = None if _is_template(pattern) else compile_pattern(pattern)
    except ArgumentRefused as error:
        yield str(error)
        return
    for name in expected if isinstance(expected, Sequence) else ():  # it may be an upstream's output
        if problem := _problem_of(name) or _problem_as_input(name, given.get("marker")):
            yield f"expected={name!r} {problem}"
        elif matches and not _is_template(name) and not matches(name):
            yield f"expected={name!r} does not match pattern={pattern!r}, so that no look would see it"


def _problem_as_input(name: str, marker: Any) -> str:
    if name == marker:
        return "is the marker, which is not one of the files; leave it out of expected"
    if _is_passed_over(name):
        return (
            "is passed over, as every name is that begins with a dot or is one of this package's own; if it says that "
            "the others are complete, make it the marker"
        )
    return ""


def _problem_of(name: Any) -> str:
    """Why a text cannot be the name of a file in the directory; empty if it can, or is not known yet."""
    if not isinstance(name, str):
        return "is no name of a file"
    if _is_template(name):
        return ""
    parts = name.split("/")
    if not name.strip() or "\0" in name or parts[-1] in ("", ".", "..") or "" in parts or "." in parts:
        return "is no name of a file; write it relative to the directory, such as '_READY' or 'left/1.png'"
    return "leads out of the directory; write a name of a file in it" if ".." in parts else ""


def _is_passed_over(name: str) -> bool:
    return any(part.startswith(".") or part == "_dirops" for part in name.split("/"))


def _is_template(text: Any) -> bool:
    return isinstance(text, str) and "{" in text and ("{{" in text or "{%" in text or "{partition}" in text)


def may_be_seconds(seconds: Any) -> bool:
    """Whether a value is a time that passes: above 0, and with an end."""
    return not isinstance(seconds, bool) and isinstance(seconds, int | float) and 0 < seconds < math.inf
