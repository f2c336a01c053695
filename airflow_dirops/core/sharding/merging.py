"""Merge what shards have sealed: sorted lists into one, each opened only when its turn comes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Stream(NamedTuple, Generic[T]):
    """A sorted list.

    :param first: what its first line is sorted by.
    :param open: gives its lines, each with what it is sorted by.
    """

    first: bytes
    open: Callable[[], Iterator[tuple[bytes, T]]]


def merged(streams: Iterable[Stream[T]]) -> Iterator[tuple[bytes, T]]:
    """All lines in order. Lists of ranges that do not overlap are read one after the other, one file open at a time."""
    tie = count()
    waiting: list[tuple[bytes, int, Any]] = [(stream.first, next(tie), stream.open) for stream in streams]
    heapq.heapify(waiting)
    while waiting:
        _, number, what = waiting[0]
        if callable(what):
            opened = what()
            if (first := next(opened, None)) is None:
                heapq.heappop(waiting)
            else:
                heapq.heapreplace(waiting, (first[0], number, (first, opened)))
            continue
        line, rest = what
        yield line
        if (after := next(rest, None)) is None:
            heapq.heappop(waiting)
        else:
            heapq.heapreplace(waiting, (after[0], number, (after, rest)))
