"""A bare directory as somebody saw it: those files and no others, or an error."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import ListingChanged, storage_errors
from airflow_dirops.core.format.entries import order_of
from airflow_dirops.core.format.pins import ListingPin, SeenListing
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.source.bare import BareDirectory
from airflow_dirops.core.source.inputs import Inputs
from airflow_dirops.core.source.listing import Listing
from airflow_dirops.core.source.seen import Tally
from airflow_dirops.core.source.together import DANGLING, LEFT_OUT, SortedInputs
from airflow_dirops.core.stage.patterns import Selection

log = logger(__name__)


def open_pinned(pin: ListingPin, *, selection: Selection, apart_from: Path | None = None) -> PinnedDirectory:
    """Open what a look saw.

    :param selection: which of the files that were seen are inputs.
    :param apart_from: a directory that no link may lead to: the target.
    :raises ListingChanged: if the directory is gone.
    """
    path = Path(pin.path)
    with storage_errors("opening the source", path):
        if not path.is_dir():
            raise ListingChanged(f"the source {pin.path!r} was there when it was looked at, and is gone; {_REMEDY}")
    return PinnedDirectory(path, selection, pin.listing, apart_from=apart_from)


class PinnedDirectory(BareDirectory):
    """A directory that no stage committed, read as one look saw it: what came later is left out.

    :param selection: which of the files that were seen are inputs.
    :param seen: what the look saw.
    """

    def __init__(self, path: Path, selection: Selection, seen: SeenListing, *, apart_from: Path | None = None) -> None:
        super().__init__(path, selection)
        self._seen = seen
        self._listing = Listing(path, Selection(seen.pattern), seen.follow_symlinks, apart_from)

    def list_inputs(self, sorter: Sorter) -> Inputs:
        kept, later = self._walk(sorter, self._seen.changed_ns)
        if not kept.is_of(self._seen):
            if not kept.with_all(later).is_of(self._seen):
                raise self._changed(kept, later)
            # Their status alone is another one, as of files that were linked or got another mode.
            sorter = sorter.sibling("again")
            kept, later = self._walk(sorter, sys.maxsize)
            if not kept.is_of(self._seen):
                raise self._changed(kept, later)
        if later.files:
            log.warning(
                "%d files in %s came or changed after it had been looked at, such as %r; this run leaves them out, and "
                "the next one that looks there reads them",
                later.files,
                self.path,
                later.newest,
            )
        self._warn()
        return SortedInputs(sorter, self._prefix)

    def _walk(self, sorter: Sorter, until_ns: int) -> tuple[Tally, Tally]:
        """The files that have not changed since, which go into the sorter if they are inputs; and the others."""
        kept, later = Tally(), Tally()
        self.selection.forget()
        self._listing.leave_out = lambda path: sorter.add(order_of(path), LEFT_OUT)
        for item in self._listing:
            if item.path == self._seen.marker:
                continue
            size, changed_ns = DANGLING if item.dangling else item.size, self._listing.changed_ns
            if changed_ns > until_ns:
                later.add(item.path, size, item.mtime_ns, changed_ns)
                continue
            kept.add(item.path, size, item.mtime_ns, changed_ns)
            if self.selection.matches(item.path):
                sorter.add(order_of(item.path), msgspec.msgpack.encode((size, item.mtime_ns)))
            else:
                self.selection.leave_out(item.path)
                sorter.add(order_of(item.path), LEFT_OUT)
        return kept, later

    def _changed(self, kept: Tally, later: Tally) -> ListingChanged:
        since = f", and {later.files} that came or changed since, such as {later.newest!r}" if later.files else ""
        return ListingChanged(
            f"the source {str(self.path)!r} is not what it was when it was looked at: it had {self._seen.files} files "
            f"of {self._seen.bytes} bytes, and now it has {kept.files} of {kept.bytes} that are as old{since}. "
            f"Nothing was read; {_REMEDY}"
        )


_REMEDY = (
    "when its writer has finished, let it be looked at again: clear the sensor that waited for it, together with what "
    "comes after it"
)
