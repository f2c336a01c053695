"""Several sources read as one: an image and its mask, matched by key."""

from __future__ import annotations

import hashlib
import heapq
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import KeyMissing, KeyRefused
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.lines import encode_line
from airflow_dirops.core.format.manifest import PartitionRecord
from airflow_dirops.core.messages.first_few import FirstFew
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.snapshot.record import Record
from airflow_dirops.core.source.inputs import Inputs, with_order
from airflow_dirops.core.source.source import Fault, Source
from airflow_dirops.core.stage.policies import Join

log = logger(__name__)

_MAX_FINDINGS = 20
_MAX_TOLD = 5


def join_inputs(parts: tuple[Input, ...]) -> Input:
    """The inputs that share a key as one, which has changed if any of them has, or if there are others now."""
    digest = hashlib.sha256(b"\n".join(map(encode_line, parts)))
    size = sum(part.size for part in parts)
    return Input(parts[0].path, size, digest=f"joined:{digest.hexdigest()}", parts=parts)


class JoinedSource:
    """Sources, matched by key.

    :param join: ``inner`` takes the keys that all sources have, ``outer`` those that any has, ``strict`` expects
        every key in every source.
    """

    snapshot = None
    is_missing = False

    def __init__(self, sources: list[Source], join: Join) -> None:
        self.singles = tuple(sources)
        self.path = sources[0].path
        self.selection = sources[0].selection
        self._join = join
        self._unmatched = 0
        self._is_told = False
        self._listed: list[Inputs] = []

    @property
    def ignored(self) -> int:
        """How many names the listings passed over, and how many inputs have no match."""
        return self._unmatched + sum(source.ignored for source in self.singles)

    @property
    def described(self) -> tuple[Source, ...]:
        return self.singles

    def list_inputs(self, sorter: Sorter) -> Inputs:
        listed = [source.list_inputs(sorter.sibling(str(number))) for number, source in enumerate(self.singles)]
        self._listed = listed
        return _Matched(self, listed)

    def partitions(self) -> Iterable[PartitionRecord]:
        return ()

    def list_unmatched(self) -> Iterator[tuple[Input, tuple[int, ...]]]:
        """What an inner join leaves out, by key and in order, with the numbers of the sources that do not have it."""
        for parts in self._groups(self._listed):
            if not self._is_wanted(parts):
                yield join_inputs(parts), self._lacking(parts)

    def match(self, listed: list[Inputs]) -> Iterator[Input]:
        """Join what the sources list, by key.

        :raises KeyRefused: if one source has two inputs with one key.
        :raises KeyMissing: with the keys that are not in every source, if ``join="strict"``.
        """
        lacking = FirstFew(_MAX_FINDINGS if self._join == "strict" else _MAX_TOLD, self._described_lack)
        self._unmatched = 0
        for parts in self._groups(listed):
            self._check_single(parts)
            if self._is_wanted(parts):
                yield join_inputs(parts)
                continue
            self._unmatched += len(parts)
            lacking.add(parts)
        self._report(lacking)

    def name_of(self, item: Input) -> str:
        if item.parts:
            return " and ".join(self.name_of(part) for part in item.parts)
        return self.singles[item.source].name_of(item)

    def local(self, item: Input) -> AbstractContextManager[str]:
        return self.singles[item.source].local(item)

    def fault_of(self, item: Input) -> Fault | None:
        return self.singles[item.source].fault_of(item)

    def record_of(self, item: Input) -> Record:
        return self.singles[item.source].record_of(item)

    def read(self, item: Input) -> Any:
        return self.singles[item.source].read(item)

    def check(self, item: Input) -> None:
        for part in item.parts or (item,):
            self.singles[part.source].check(part)

    def close(self) -> None:
        for source in self.singles:
            source.close()

    def _groups(self, listed: list[Inputs]) -> Iterator[tuple[Input, ...]]:
        """The inputs that have one key, for each key."""
        streams = (_keyed(number, inputs) for number, inputs in enumerate(listed))
        for _, group in groupby(heapq.merge(*streams), key=lambda one: one.key):
            yield tuple(one.item for one in group)

    def _is_wanted(self, parts: tuple[Input, ...]) -> bool:
        return len(parts) == len(self.singles) or self._join == "outer"

    def _check_single(self, parts: tuple[Input, ...]) -> None:
        for one, other in pairwise(parts):
            if one.source == other.source:
                raise KeyRefused(
                    f"{self.name_of(one)!r} and {self.name_of(other)!r} have the same key, so it is not clear which "
                    "of them the other sources' inputs belong to; give a pattern for each source, such as "
                    f"pattern={[f'**/*{part.path[len(part.key) :]}' for part in self._one_for_each(one, other)]!r}"
                )

    def _one_for_each(self, one: Input, other: Input) -> list[Input]:
        return [one, other, *[one] * len(self.singles)][: len(self.singles)]

    def _lacking(self, parts: tuple[Input, ...]) -> tuple[int, ...]:
        return tuple(sorted({*range(len(self.singles))} - {part.source for part in parts}))

    def _described_lack(self, parts: tuple[Input, ...]) -> str:
        without = ", ".join(str(self.singles[number].path) for number in self._lacking(parts))
        return f"{parts[0].key!r} is missing in {without}"

    def _report(self, lacking: FirstFew[tuple[Input, ...]]) -> None:
        if lacking.count and self._join == "strict":
            raise KeyMissing(
                f"{self._unmatched} inputs have no match in every source, and join='strict' expects one for each; "
                "add them, or use join='inner' or 'outer'",
                lacking.findings(),
            )
        if lacking.count and not self._is_told:
            self._is_told = True
            log.warning("%d keys are not in every source, and left out: %s", lacking.count, lacking.phrase("; "))


class _Matched(Inputs):
    """The joined inputs, as often as asked."""

    def __init__(self, source: JoinedSource, listed: list[Inputs]) -> None:
        self._source = source
        self._listed = listed

    def ordered(self) -> Iterator[tuple[bytes, Input]]:
        return with_order(self._source.match(self._listed))


class _Keyed(NamedTuple):
    key: bytes
    number: int
    order: bytes
    item: Input


def _keyed(number: int, inputs: Inputs) -> Iterator[_Keyed]:
    for order, item in inputs.ordered():
        marked = Input(
            item.path, item.size, item.mtime_ns, item.digest, source=number, dangling=item.dangling, beside=item.beside
        )
        yield _Keyed(os.fsencode(item.key), number, order, marked)
