"""What was done before, by input and in the order of a source: in the base's lists, and in dead attempts' journals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import chain
from operator import itemgetter

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.format.entries import Input, order_of
from airflow_dirops.core.format.journal import JournalLine, Output
from airflow_dirops.core.format.lines import LineDecoder, encode_line
from airflow_dirops.core.format.lists import LISTS, FileLine, QuarantineLine, SkippedLine
from airflow_dirops.core.format.manifest import ListName
from airflow_dirops.core.place.staging import Leftover
from airflow_dirops.core.snapshot.contents import iter_ordered
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.source.joining import join_inputs

Recorded = tuple[bytes, JournalLine]
"""The order of an input's path, and what became of the input; several lines if it gave several entries."""
Finished = tuple[bytes, tuple[str, JournalLine]]
"""The same with the id of the dead attempt that did it."""


def recorded_inputs(base: Snapshot, sorter: Sorter) -> Iterable[Recorded]:
    """What a snapshot's lists say, by input, as often as asked.

    :raises ManifestDamaged: here or at the end of the iteration, if a list is not what the header says.
    """
    if base.manifest.one_to_one:
        return _Streamed(base)
    for name in LISTS:
        for order, line in _by_input(base, name):
            sorter.add(order, encode_line(line))
    return _Sorted(sorter)


def finished_inputs(dead: Iterable[Leftover], sorter: Sorter) -> Iterable[Finished]:
    """What dead attempts have in their journals."""
    for attempt in dead:
        of = attempt.id.encode() + b" "
        for line in attempt.finished():
            if line.state in ("made", "skipped"):
                sorter.add(order_of(line.input.path), of + encode_line(line))
    return _ByAttempt(sorter)


@dataclass(frozen=True)
class _Streamed:
    """The lists themselves: where each entry has the key of its only input, they are in the inputs' order."""

    base: Snapshot

    def __iter__(self) -> Iterator[Recorded]:
        # Mostly two of them are empty: then there is nothing to merge.
        streams = [stream for name in LISTS if (stream := _peeked(_by_input(self.base, name))) is not None]
        return streams[0] if len(streams) == 1 else merge(*streams, key=itemgetter(0))


@dataclass(frozen=True)
class _Sorted:
    lines: Sorter

    def __iter__(self) -> Iterator[Recorded]:
        return ((order, _decode(line)) for order, line in self.lines)


@dataclass(frozen=True)
class _ByAttempt:
    lines: Sorter

    def __iter__(self) -> Iterator[Finished]:
        for order, marked in self.lines:
            attempt, _, line = marked.partition(b" ")
            yield order, (attempt.decode(), _decode(line))


def _by_input(base: Snapshot, name: ListName) -> Iterator[Recorded]:
    is_joined = base.manifest.join is not None
    for order, line in iter_ordered(base.held, name):
        if isinstance(line, FileLine):
            path = line.path
            outputs = (Output(path, line.size, line.digest, 0, 0),)
            for item in (join_inputs(line.inputs),) if is_joined else line.inputs:
                made = JournalLine(item, "carried", outputs, note=line.replaced)
                yield order if item.path == path else order_of(item.path), made
        elif (recorded := _without_outputs(line)) is not None:
            yield order, recorded


def _peeked(stream: Iterator[Recorded]) -> Iterator[Recorded] | None:
    """A stream that has something, or None."""
    first = next(stream, None)
    return None if first is None else chain([first], stream)


def _without_outputs(line: SkippedLine | QuarantineLine) -> JournalLine | None:
    item = Input(line.path, line.size, line.mtime_ns, line.digest, beside=line.beside)
    if isinstance(line, QuarantineLine):
        return JournalLine(item, "quarantined", failure=line.failure)
    # One with a reason was left out by a join: it was never an input.
    return None if line.reason else JournalLine(item, "skipped", note=line.accepted)


_decode = LineDecoder(JournalLine)
