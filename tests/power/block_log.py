"""What a file system sent to its disk, and the disks that a loss of power may leave of it.

What was flushed stays. A write after the last flush may be lost, whole or in part, whatever became of its neighbours.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.power.disks import copy_image

# Of a disk of today: it writes such a block, or does not.
BLOCK = 4096
# At every point of the log, besides the state in which all arrived.
SEEDS = 4

_HEAD = struct.Struct("<qI")
_FLUSH = -1


@dataclass(frozen=True)
class Write:
    offset: int
    data: bytes

    def blocks(self) -> Iterator[Write]:
        """As the disk writes it."""
        start, end = self.offset, self.offset + len(self.data)
        for at in range(start - start % BLOCK, end, BLOCK):
            since, until = max(at, start), min(at + BLOCK, end)
            yield Write(since, self.data[since - start : until - start])


Log = list[Write | None]
"""In the order of their answers; None is a flush."""


def append(descriptor: int, entry: Write | None) -> None:
    """Add to a log that :func:`read_log` reads."""
    if entry is None:
        os.write(descriptor, _HEAD.pack(_FLUSH, 0))
    else:
        os.writev(descriptor, [_HEAD.pack(entry.offset, len(entry.data)), entry.data])


def read_log(path: Path) -> Log:
    raw, at, log = path.read_bytes(), 0, []
    while at + _HEAD.size <= len(raw):
        offset, length = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        if at + length <= len(raw):  # else its end is still being written
            log.append(None if offset == _FLUSH else Write(offset, raw[at : at + length]))
        at += length
    return log


@dataclass(frozen=True, order=True)
class State:
    """A disk at which the power went.

    :param sent: how many entries of the log it had answered.
    :param seed: chooses which writes since the last flush were lost: whole ones if even, blocks if odd; 0 for none.
    """

    sent: int
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.sent} entries sent, seed {self.seed}"

    def arrived(self, log: Log) -> list[Write]:
        """What arrived since the last flush."""
        unflushed = log[flushed(log, self.sent) : self.sent]
        if not self.seed:
            return unflushed
        chance = random.Random(f"{self.sent}/{self.seed}")
        pieces = [piece for write in unflushed for piece in (write.blocks() if self.seed % 2 else [write])]
        share = chance.random()
        return [piece for piece in pieces if chance.random() < share]


def flushed(log: Log, sent: int) -> int:
    """How many of the first entries cannot be lost any more."""
    return next((at for at in range(sent, 0, -1) if log[at - 1] is None), 0)


def states_of(log: Log, begun: int) -> list[State]:
    """All that are looked at: every prefix from a point on, and some that lost a part of what was not flushed."""
    return [
        State(sent, seed)
        for sent in range(begun, len(log) + 1)
        for seed in range(SEEDS + 1 if flushed(log, sent) < sent else 1)
    ]


class Replay:
    """Rebuilds one state after another; they come in order, so that nothing is written twice.

    :param image: the disk before the log began; it follows the log.
    """

    def __init__(self, log: Log, image: Path) -> None:
        self._log, self._image, self._written = log, image, 0

    def rebuild(self, state: State, image: Path) -> None:
        safe = flushed(self._log, state.sent)
        _write(self._image, filter(None, self._log[self._written : safe]))
        self._written = safe
        copy_image(self._image, image)
        _write(image, state.arrived(self._log))


def _write(image: Path, writes: Iterable[Write]) -> None:
    with image.open("r+b", buffering=0) as file:
        for write in writes:
            os.pwrite(file.fileno(), write.data, write.offset)
