"""A bare directory: files that no stage wrote, and that may change under our hands."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import msgspec

from airflow_dirops.core.disk.held import is_damage
from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import DanglingLink, SourceChanged, StorageError
from airflow_dirops.core.format.entries import Input, mtime_ns_of, order_of
from airflow_dirops.core.format.manifest import PartitionRecord
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.snapshot.record import Record, Undecoded
from airflow_dirops.core.source.inputs import Inputs, NoInputs
from airflow_dirops.core.source.listing import Listing
from airflow_dirops.core.source.source import Fault, Source, warn_of_case
from airflow_dirops.core.source.together import DANGLING, LEFT_OUT, SortedInputs
from airflow_dirops.core.stage.patterns import Selection

log = logger(__name__)


# The effective user is who opens files; not every system can ask for it.
_EFFECTIVE = os.access in os.supports_effective_ids


class BareDirectory:
    """A directory that no stage committed; its files may change under our hands."""

    snapshot: Snapshot | None = None

    def __init__(
        self,
        path: Path,
        selection: Selection,
        *,
        follow_symlinks: bool = False,
        is_missing: bool = False,
        apart_from: Path | None = None,
    ) -> None:
        self.path = path
        self.is_missing = is_missing
        self.selection = selection
        self._listing = Listing(path, self.selection, follow_symlinks, apart_from)
        self._prefix = os.path.join(os.fspath(path), "")

    @property
    def ignored(self) -> int:
        return self._listing.ignored

    @property
    def described(self) -> tuple[Source, ...]:
        return (self,)

    def list_inputs(self, sorter: Sorter) -> Inputs:
        if self.is_missing:
            return NoInputs()
        self._listing.leave_out = lambda path: sorter.add(order_of(path), LEFT_OUT)
        for item in self._listing:
            size = DANGLING if item.dangling else item.size
            sorter.add(order_of(item.path), msgspec.msgpack.encode((size, item.mtime_ns)))
        self._warn()
        return SortedInputs(sorter, self._prefix)

    def _warn(self) -> None:
        warn_of_case(self)
        if count := self._listing.unfollowed:
            log.warning(
                "%d links to directories in %s are not followed, such as %r; set follow_symlinks=True to read what "
                "is in them",
                count,
                self.path,
                self._listing.first_unfollowed,
            )

    def partitions(self) -> Iterable[PartitionRecord]:
        return ()

    def list_unmatched(self) -> Iterable[tuple[Input, tuple[int, ...]]]:
        return ()

    @property
    def singles(self) -> tuple[Source, ...]:
        return (self,)

    def name_of(self, item: Input) -> str:
        return self._prefix + item.path

    def record_of(self, item: Input) -> Record:
        return Record(item.key, item, Undecoded(self.name_of(item)))

    def read(self, item: Input) -> Any:
        return self.record_of(item).value  # which says that nothing can decode it

    def local(self, item: Input) -> AbstractContextManager[str]:
        return nullcontext(self.name_of(item))

    def fault_of(self, item: Input) -> Fault | None:
        path = self.name_of(item)
        if os.access(path, os.R_OK, effective_ids=_EFFECTIVE):
            return None
        if os.path.exists(path):
            return Fault("unreadable", path)
        if (leads_to := link_at(path)) is not None:
            return Fault("dangling", path, leads_to)
        return Fault("gone", path)

    def check(self, item: Input) -> None:
        path = self.name_of(item)
        try:
            status = os.stat(path)
        except OSError as error:
            if not is_damage(error):
                raise StorageError("looking at", path, error) from error
            if (leads_to := link_at(path)) is not None:
                raise DanglingLink(
                    f"{path!r} is a link to {leads_to!r}, and nothing is there; mount or fetch what it points to"
                ) from error
            raise SourceChanged(
                f"{path!r} went away between listing and reading; run again when its writer has finished"
            ) from error
        if (status.st_size, mtime_ns_of(status)) != (item.size, item.mtime_ns):
            raise SourceChanged(
                f"{path!r} changed while it was read ({item.size} bytes when listed, {status.st_size} now); "
                "run again when its writer has finished"
            )

    def close(self) -> None:
        """Nothing is held: names in a directory that others write are looked up each time."""


def link_at(path: str) -> str | None:
    """Where a link points to, as it is written; None if this is no link."""
    try:
        return os.readlink(path)
    except OSError:
        return None
