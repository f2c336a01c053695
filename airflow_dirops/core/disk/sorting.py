"""Sort any number of lines in constant memory.

Lines gather in memory up to a bound; beyond it they go to disk as sorted runs and are merged on the way out.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import msgspec

from airflow_dirops.core.disk.permissions import make_shared_directory
from airflow_dirops.core.errors import StagingChanged, storage_errors
from airflow_dirops.core.format.members import UNDECODABLE
from airflow_dirops.core.frames import frame, read_frames

# Some 9,000 names, or 4,500 lines of a list; they sort in about 10 ms.
MAX_IN_MEMORY = 2 * 1024**2
# What CPython keeps for two ``bytes`` and their tuple besides the content.
_OVERHEAD = 140
# Each run costs an open file and a buffer while merging.
_MAX_RUNS = 128

# Few enough that all runs together need little memory, and enough that a line costs little time.
_LINES_PER_BLOCK = 32
Line = tuple[bytes, bytes]


class _Run(NamedTuple):
    """A sorted run on disk, and what it holds as long as nobody else has written to it."""

    path: Path
    size: int
    checksum: int


class Sorter:
    """Collects ``(key, line)`` pairs and gives them back bytewise by key, as often as asked.

    :param directory: where sorted runs go; made when the first one is needed, owned by the caller.
    :param name: what the runs are called; one sorter a name.
    :param max_in_memory: how many bytes of lines may wait in memory.
    """

    def __init__(self, directory: Path, name: str, max_in_memory: int = MAX_IN_MEMORY) -> None:
        self._directory = directory
        self._name = name
        self._max_in_memory = max_in_memory
        self._waiting: list[Line] = []
        self._waiting_bytes = 0
        self._runs: list[_Run] = []
        self._runs_written = 0
        self._count = 0
        self._is_sorted = True

    def sibling(self, name: str) -> Sorter:
        """Another one beside it."""
        return Sorter(self._directory, f"{self._name}-{name}", self._max_in_memory)

    def add(self, key: bytes, line: bytes) -> None:
        if self._waiting and key < self._waiting[-1][0]:
            self._is_sorted = False
        self._waiting.append((key, line))
        self._waiting_bytes += len(key) + len(line) + _OVERHEAD
        self._count += 1
        if self._waiting_bytes >= self._max_in_memory:
            self._spill()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Line]:
        self._sort()
        if not self._runs:
            return iter(self._waiting)
        return heapq.merge(*map(_read_run, self._runs), iter(self._waiting), key=itemgetter(0))

    def _sort(self) -> None:
        if not self._is_sorted:
            self._waiting.sort(key=itemgetter(0))
            self._is_sorted = True

    def _spill(self) -> None:
        self._sort()
        self._runs.append(self._write_run(iter(self._waiting)))
        self._waiting, self._waiting_bytes = [], 0
        if len(self._runs) >= _MAX_RUNS:
            merged = self._write_run(heapq.merge(*map(_read_run, self._runs), key=itemgetter(0)))
            for run in self._runs:
                run.path.unlink()
            self._runs = [merged]

    def _write_run(self, lines: Iterator[Line]) -> _Run:
        with suppress(FileExistsError):
            make_shared_directory(self._directory)
        path = self._directory / f"{self._name}-{self._runs_written}"
        self._runs_written += 1
        size = checksum = 0
        with storage_errors("writing a sorted run to", path), open(path, "wb") as file:
            while block := list(islice(lines, _LINES_PER_BLOCK)):
                framed = frame(msgspec.msgpack.encode(block))
                file.write(framed)
                size += len(framed)
                checksum = zlib.crc32(framed, checksum)
        return _Run(path, size, checksum)


def _read_run(run: _Run) -> Iterator[Line]:
    """The lines of a run, checked against what was written.

    :raises StagingChanged: here or at the end, if it is not what was written.
    """
    decode = msgspec.msgpack.Decoder(list[Line]).decode
    checksum = 0
    try:
        with storage_errors("reading a sorted run from", run.path), open(run.path, "rb") as file:
            for content in read_frames(file, run.size):
                checksum = zlib.crc32(frame(content), checksum)
                yield from decode(content)
            size = file.tell()
    except UNDECODABLE as error:
        raise StagingChanged(run.path, f"it cannot be read: {error}") from error
    if (size, checksum) != (run.size, run.checksum):
        raise StagingChanged(run.path, "it is not what was written")
