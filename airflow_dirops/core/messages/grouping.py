"""Many failures as few lines: those of one exception, one place in the user's code and one sort of message are one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import takewhile
from typing import Protocol

from airflow_dirops.core.messages.shown import shown

_MAX_GROUPS = 100
_MAX_MESSAGE = 300
_ID_DIGITS = 8
_WORDS = 2
"""By so many words at its beginning a message is told from others of the same place."""
_MAX_BEGINNINGS = 10
"""If one place has more of them, each file probably has its own."""


class Failed(Protocol):
    """Why an input failed, as a journal has it, or a list."""

    @property
    def error(self) -> str: ...

    @property
    def message(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def place(self) -> str: ...


@dataclass
class Group:
    """Failures that are alike.

    :param kind: of the error of ours; empty in what older versions wrote.
    :param message: what their messages begin with.
    :param place: where in the user's code they were raised, if they were.
    :param example: the path of the first input.
    :param sort: what they have in common.
    """

    error: str
    kind: str
    message: str
    place: str
    example: str
    count: int = 0
    sort: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The same for failures of this sort wherever they are: short, to be typed."""
        return sha256("\0".join(self.sort).encode(errors="backslashreplace")).hexdigest()[:_ID_DIGITS]

    def add(self, message: str) -> None:
        self.count += 1
        if message != self.message:
            both = zip(self.message.removesuffix("…"), message, strict=False)
            self.message = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], both)) + "…"

    def __str__(self) -> str:
        message = f": {self.message}" if self.message not in ("", "…") else ""
        place = f" ({self.place})" if self.place else ""
        example = f", such as {self.example!r}" if self.count > 1 else f", {self.example!r}"
        kind = f" [{self.kind}]" if self.kind else ""
        return f"{self.count:,} × {self.error}{kind}{message}{place}{example}"


class Groups:
    """Counts failures; no more memory for a million of them than for a hundred."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, ...], Group] = {}
        self._beginnings: Counter[tuple[str, ...]] = Counter()
        self._others = 0

    def add(self, path: str, failure: Failed) -> Group | None:
        """Count one; returns what it is counted among, or None where there are too many sorts."""
        message = shown(failure.message.strip().partition("\n")[0], _MAX_MESSAGE)
        sort = self._sort(failure, message)
        if sort not in self._groups:
            if len(self._groups) == _MAX_GROUPS:
                self._others += 1
                return None
            self._groups[sort] = Group(failure.error, failure.kind, message, failure.place, path, sort=sort)
            self._beginnings[sort[:-1]] += 1
        self._groups[sort].add(message)
        return self._groups[sort]

    def _sort(self, failure: Failed, message: str) -> tuple[str, ...]:
        origin = (failure.kind, failure.error, failure.place)
        sort = (*origin, _beginning(message))
        if sort in self._groups or self._beginnings[origin] < _MAX_BEGINNINGS:
            return sort
        return (*origin, "")

    def __iter__(self) -> Iterator[Group]:
        """The largest first."""
        return iter(sorted(self._groups.values(), key=lambda group: -group.count))

    def described(self) -> list[str]:
        """A line for each."""
        return [*map(str, self), *([f"{self._others:,} of other sorts"] if self._others else [])]


def _beginning(message: str) -> str:
    """The first words of a message; what is not of letters alone, such as a name or a number, may be any."""
    return " ".join(word if word.isalpha() else "*" for word in message.split(maxsplit=_WORDS)[:_WORDS])
