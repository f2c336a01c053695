"""Several partitions of one target read as one: each held, in the order of their names.

A key begins with its partition's name, so that two of the same name do not meet, the keys that stay keep theirs when
the window moves on, and whoever reads the roll-up sees where a file is from.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.manifest import PartitionRecord
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.snapshot.record import Record
from airflow_dirops.core.source.inputs import Inputs
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.partitions import Partitions
from airflow_dirops.core.stage.patterns import Selection


class Member(NamedTuple):
    """One partition that is there."""

    name: str
    source: Source


class Rollup:
    """Committed partitions, one after the other.

    :param members: those that are there, in the order of their names.
    :param missing: the names of the others.
    """

    snapshot: Snapshot | None = None

    def __init__(
        self, asked: Partitions, members: Sequence[Member], missing: Sequence[str], selection: Selection
    ) -> None:
        self.path = Path(asked.path)
        self.selection = selection
        self.singles: tuple[Source, ...] = tuple(member.source for member in members)
        self.missing = tuple(missing)
        self.is_missing = all(single.is_missing for single in self.singles)
        self._members = members
        self._prefixes = [f"{member.name}/" for member in members]

    @property
    def ignored(self) -> int:
        return sum(single.ignored for single in self.singles)

    def partitions(self) -> Iterator[PartitionRecord]:
        """What the manifest says of each that was asked for."""
        there = {member.name: member.source.snapshot for member in self._members}
        for name in sorted({*there, *self.missing}, key=lambda name: f"{name}/"):
            held = there.get(name)
            manifest = held.manifest if held else None
            yield PartitionRecord(
                partition=name,
                snapshot=manifest.snapshot if manifest else None,
                stage=manifest.stage if manifest else None,
            )

    @property
    def described(self) -> tuple[Source, ...]:
        return (self,)

    def list_inputs(self, sorter: Sorter) -> Inputs:
        return _Chained(self._prefixes, [single.list_inputs(sorter) for single in self.singles])

    def list_unmatched(self) -> Iterable[tuple[Input, tuple[int, ...]]]:
        return ()

    def name_of(self, item: Input) -> str:
        source, own = self._own(item)
        return source.name_of(own)

    def local(self, item: Input) -> AbstractContextManager[str]:
        source, own = self._own(item)
        return source.local(own)

    def fault_of(self, item: Input) -> None:  # noqa: ARG002 - what was committed can be read
        return None

    def record_of(self, item: Input) -> Record:
        source, own = self._own(item)
        return source.record_of(own).within(item.path[: -len(own.path) - 1])

    def read(self, item: Input) -> Any:
        source, own = self._own(item)
        return source.read(own)

    def check(self, item: Input) -> None:
        source, own = self._own(item)
        source.check(own)

    def close(self) -> None:
        for source in self.singles:
            source.close()

    def _own(self, item: Input) -> tuple[Source, Input]:
        """The partition of an input, and what the input is there: no prefix begins another."""
        number = bisect_right(self._prefixes, item.path) - 1
        own = msgspec.structs.replace(item, path=item.path[len(self._prefixes[number]) :])
        return self.singles[number], own


class _Chained(Inputs):
    """The inputs of all partitions, as often as asked; in order, since the partitions are."""

    def __init__(self, prefixes: list[str], listed: list[Inputs]) -> None:
        self._prefixes = prefixes
        self._listed = listed

    def ordered(self) -> Iterator[tuple[bytes, Input]]:
        for prefix, inputs in zip(self._prefixes, self._listed, strict=True):
            before = os.fsencode(prefix)
            then = b"\0" + before
            for order, item in inputs.ordered():
                # The key and the path, each behind the prefix.
                yield before + order.replace(b"\0", then), Input(prefix + item.path, item.size, digest=item.digest)
