"""A snapshot that another stage committed: complete, immutable, listed by its manifest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import RecordFailed, ResourcesExhausted
from airflow_dirops.core.format.entries import Entry, Input
from airflow_dirops.core.format.lists import FILES
from airflow_dirops.core.format.manifest import PartitionRecord
from airflow_dirops.core.snapshot.contents import iter_ordered
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.snapshot.record import Record
from airflow_dirops.core.source.inputs import Inputs
from airflow_dirops.core.source.source import Source, warn_of_case
from airflow_dirops.core.stage.patterns import Selection


class SnapshotSource(Inputs):
    """A snapshot: complete, immutable, listed by its manifest and never by the directory."""

    ignored = 0
    is_missing = False

    def __init__(self, snapshot: Snapshot, selection: Selection) -> None:
        self.snapshot: Snapshot | None = snapshot
        self._held = snapshot
        self.path = Path(snapshot.name)
        self.selection = selection
        self._is_listed = False

    @property
    def described(self) -> tuple[Source, ...]:
        return (self,)

    def list_inputs(self, sorter: Sorter) -> Inputs:  # noqa: ARG002 - a manifest is sorted
        return self

    def ordered(self) -> Iterator[tuple[bytes, Input]]:
        matches, selection = self.selection.matches, self.selection
        selection.forget()
        for order, line in iter_ordered(self._held.held, FILES):
            if matches(line.path):
                yield order, Input(line.path, line.size, digest=line.digest)
            else:
                selection.leave_out(line.path)
        if not self._is_listed:
            self._is_listed = True
            warn_of_case(self)

    def partitions(self) -> Iterable[PartitionRecord]:
        return ()

    def list_unmatched(self) -> Iterable[tuple[Input, tuple[int, ...]]]:
        return ()

    @property
    def singles(self) -> tuple[Source, ...]:
        return (self,)

    def name_of(self, item: Input) -> str:
        return os.path.join(self.path, item.path)

    def record_of(self, item: Input) -> Record:
        return Record(item.key, _entry_of(item), self._held, self._held.manifest.partition)

    def read(self, item: Input) -> Any:
        try:
            return self._held.read(_entry_of(item))
        except ResourcesExhausted as error:
            # A damaged header may claim any size; the other files fit.
            raise RecordFailed(
                f"{self.name_of(item)!r} cannot be decoded: there is no memory for what it says it holds. If it is "
                "meant to be so large, give the task more memory, or use fewer workers; if not, it is damaged: run "
                "the stage that made it with redo='damaged'"
            ) from error.__cause__

    def local(self, item: Input) -> AbstractContextManager[str]:
        return self._held.local(_entry_of(item))

    def fault_of(self, item: Input) -> None:  # noqa: ARG002 - what was committed can be read
        return None

    def check(self, item: Input) -> None:
        """A snapshot is not written to; ``verify`` is the tool for one that was damaged."""

    def close(self) -> None:
        self._held.close()


def _entry_of(item: Input) -> Entry:
    return Entry(item.path, item.size, item.digest or "")
