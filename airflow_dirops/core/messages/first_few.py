"""The first few of many, and how many more there are: a message says what helps, and stays short."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class FirstFew(Generic[T]):
    """Takes any number of things in constant memory: it keeps the first few, and counts the others.

    :param most: how many are kept.
    :param show: makes a text of one.
    """

    def __init__(self, most: int, show: Callable[[T], str] = str) -> None:
        self._most = most
        self._show = show
        self.count = 0
        self.kept: list[T] = []

    def add(self, one: T) -> bool:
        """Count one more; returns whether it is among the first."""
        self.count += 1
        if is_among_them := self.count <= self._most:
            self.kept.append(one)
        return is_among_them

    @property
    def more(self) -> str:
        """``and 3 more``; empty if there are no more than the first."""
        rest = self.count - len(self.kept)
        return f"and {rest:,} more" if rest else ""

    def phrase(self, separator: str = ", ") -> str:
        """``'a', 'b' and 3 more``."""
        named = separator.join(map(self._show, self.kept))
        return f"{named} {self.more}" if self.more else named

    def findings(self) -> list[str]:
        """Each of the first, and a last line that says how many more there are."""
        return [*map(self._show, self.kept), *([self.more] if self.more else [])]


def first_few(things: Iterable[T], most: int, show: Callable[[T], str] = str) -> FirstFew[T]:
    """The first few of things that are there, or come one after the other.

    :param most: how many are kept.
    :param show: makes a text of one.
    """
    few = FirstFew(most, show)
    for one in things:
        few.add(one)
    return few
