"""What each worker is on, in memory that the parent can still read when the worker is dead.

It costs two stores an item, and no message. Answers lie here too until they are sent, so that an item that is
done is not done again because the next one killed the worker.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

from airflow_dirops.core.frames import LENGTH

_PAGE_BYTES = 1 << 16


class Position(NamedTuple):
    """Where a worker is.

    :param finished: how many items it has done in its life.
    :param is_busy: it is on the next one, and not between two.
    """

    finished: int
    is_busy: bool


class Page:
    """One worker's part of the shared memory."""

    def __init__(self, memory: memoryview) -> None:
        # One word for both halves of the position: a kill falls before or after its store, not between.
        self._position = memory[:8].cast("Q")
        self._since = memory[8:16].cast("d")
        self._answers = memory[16:]
        self._used = 0

    def clear(self) -> None:
        """Make it ready for a new worker."""
        self._position[0] = 0

    def begin(self, now: float) -> None:
        """The worker begins its next item."""
        self._since[0] = now
        self._position[0] |= 1

    def finish(self, answer: bytes) -> bool:
        """The worker has done its item; returns False if the answer finds no room and must be sent at once."""
        begin = self._used + LENGTH.size
        self._used = begin + len(answer)
        has_room = self._used <= len(self._answers)
        if has_room:
            self._answers[begin : self._used] = answer
            LENGTH.pack_into(self._answers, begin - LENGTH.size, len(answer))
        self._position[0] += 1 if has_room else -1
        return has_room

    def sent(self, finished: int) -> None:
        """The worker has sent every answer up to its n-th item's."""
        self._position[0] = finished << 1
        self._used = 0

    @property
    def position(self) -> Position:
        word = self._position[0]
        return Position(word >> 1, bool(word & 1))

    def watch(self) -> tuple[Position, float | None]:
        """The position, and since when its item runs, by the monotonic clock, which all processes share."""
        position, since = self.position, self._since[0]
        # The worker goes on meanwhile: a time belongs to an item that was there before and after it was read.
        return position, since if position.is_busy and position == self.position else None

    def unsent(self, count: int) -> Iterator[bytes]:
        """The first answers since the worker last sent any."""
        begin = 0
        for _ in range(count):
            (length,) = LENGTH.unpack_from(self._answers, begin)
            begin += LENGTH.size + length
            yield bytes(self._answers[begin - length : begin])


def make_pages(count: int) -> list[Page]:
    """A page each for a number of workers that are forked later."""
    memory = memoryview(mmap.mmap(-1, count * _PAGE_BYTES))
    return [Page(memory[number * _PAGE_BYTES : (number + 1) * _PAGE_BYTES]) for number in range(count)]
