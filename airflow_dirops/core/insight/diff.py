"""What differs between two snapshots: two of one target, two partitions, or any two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from typing import Self

from airflow_dirops.core.errors import ArgumentRefused, remaining_storage_errors
from airflow_dirops.core.format.entries import Entry
from airflow_dirops.core.format.lists import FILES, FileLine
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.pins import ListingPin, SnapshotPin
from airflow_dirops.core.insight.differing import Amount, Diff, DiffedEntry, Side
from airflow_dirops.core.places import place_of
from airflow_dirops.core.report.changes import changes_since, told
from airflow_dirops.core.snapshot.contents import iter_ordered
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.stage.locations import SourceLike, checked_source

_MOST = 1_000
_VALUES = 20


class Comparison:
    """Two snapshots, held open, and what differs between them, one file after the other.

    A context manager; iterate over it within its block, as often as you like: the lists are merged as they are read.

    :param before: a target, or a pin of one of its snapshots, such as a mapping with ``target`` and ``snapshot``.
    :param after: likewise; None for what is at the target ``before`` now, compared with what it replaced.
    :param values: of so many changed files the values are compared, too.
    """

    def __init__(self, before: SourceLike, after: SourceLike | None = None, *, values: int = 0) -> None:
        self._values = values
        with ExitStack() as opened:
            if after is None:
                self._after = _open(before, opened)
                self._before = _open_replaced(self._after, before, opened)
            else:
                self._before, self._after = _open(before, opened), _open(after, opened)
            self._opened = opened.pop_all()
        code = changes_since(self._before.manifest.function.code, self._after.manifest.function.code)
        self.summary = Diff(_side(self._before), _side(self._after), code_changes=tuple(told(code or ())))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of both."""
        self._opened.close()

    def __iter__(self) -> Iterator[DiffedEntry]:
        """The files that differ, by key; counts what it passes in ``summary``, which is whole at the end.

        :raises ManifestDamaged: if a list is not what its header says.
        """
        counts: Counter[str] = Counter()
        for one, other in self._pairs():
            found = _compared(one, other)
            counts[found.how if found else "same"] += 1
            if found is not None:
                looked_at = found.how == "changed" and counts["changed"] <= self._values
                yield replace(found, amount=self._amount(one, other)) if looked_at else found
        self.summary = replace(
            self.summary,
            added=counts["added"],
            removed=counts["removed"],
            changed=counts["changed"],
            same=counts["same"],
        )

    def _amount(self, one: FileLine | None, other: FileLine | None) -> Amount | None:
        # numpy takes longer than most comparisons.
        from airflow_dirops.core.insight.amounts import amount_between

        return amount_between(self._before, _entry(one), self._after, _entry(other)) if one and other else None

    def _pairs(self) -> Iterator[tuple[FileLine | None, FileLine | None]]:
        """The lines of both lists, matched by key."""
        before = iter_ordered(self._before.held, FILES)
        after = iter_ordered(self._after.held, FILES)
        one, other = next(before, None), next(after, None)
        while one is not None or other is not None:
            mine = _key(one) if one else None
            theirs = _key(other) if other else None
            is_mine = mine is not None and (theirs is None or mine <= theirs)
            is_theirs = theirs is not None and (mine is None or theirs <= mine)
            yield one[1] if one and is_mine else None, other[1] if other and is_theirs else None
            if is_mine:
                one = next(before, None)
            if is_theirs:
                other = next(after, None)


def diff(before: SourceLike, after: SourceLike | None = None, *, most: int = _MOST, values: int = _VALUES) -> Diff:
    """What differs between two snapshots, file by file; by how much, for the first files that have changed.

    Both lists are read once, in constant memory. Files are matched by key, so that two partitions can be compared, and
    so can what two codecs wrote.

    :param before: a target, or a pin of one of its snapshots, such as a mapping with ``target`` and ``snapshot``.
    :param after: likewise; None for what is at the target ``before`` now, compared with what it replaced.
    :param most: how many entries are listed.
    :param values: of how many changed files the values are compared: of arrays and images how many elements differ.
    :raises ManifestMissing: if no stage has committed one of them.
    :raises SnapshotExpired: if one of them is no longer kept.
    """
    with Comparison(before, after, values=values) as comparison:
        iterator = iter(comparison)
        entries = tuple(islice(iterator, most))
        more = sum(1 for _ in iterator)
        return replace(comparison.summary, entries=entries, more=more)


def _open(given: SourceLike, opened: ExitStack) -> Snapshot:
    named = checked_source("target", given)
    if isinstance(named, ListingPin) or (isinstance(named, SnapshotPin) and named.snapshot is None):
        raise ArgumentRefused(f"{named.path!r} as it is given here is no snapshot; give the target of a stage")
    path, snapshot = (named, None) if isinstance(named, str) else (named.target, named.snapshot)
    with remaining_storage_errors(path):
        return opened.enter_context(Snapshot(place_of(path).hold(snapshot)))


def _open_replaced(after: Snapshot, given: SourceLike, opened: ExitStack) -> Snapshot:
    """What a snapshot replaced."""
    named = checked_source("target", given)
    path = named if isinstance(named, str) else named.path
    if after.manifest.base is None:
        raise ArgumentRefused(f"the snapshot at {path!r} is the first, and replaced none; name what to compare it with")
    return _open({"target": path, "snapshot": after.manifest.base}, opened)


def _side(snapshot: Snapshot) -> Side:
    manifest: Manifest = snapshot.manifest
    counts = manifest.counts
    return Side(
        target=snapshot.name,
        snapshot=manifest.snapshot,
        stage=manifest.stage,
        partition=manifest.partition,
        created=manifest.created,
        dag_id=manifest.attempt.dag_id,
        run_id=manifest.attempt.run_id,
        inputs=counts.inputs,
        entries=counts.entries,
        skipped=counts.skipped,
        quarantined=counts.quarantined,
        bytes=manifest.bytes,
    )


def _key(line: tuple[bytes, FileLine]) -> bytes:
    return line[0].partition(b"\0")[0]


def _compared(one: FileLine | None, other: FileLine | None) -> DiffedEntry | None:
    """Two lines of one key; None if the file is the same."""
    if one is not None and other is not None:
        if one.digest == other.digest:
            return None
        return DiffedEntry(other.path, "changed", one.size, other.size, one.digest, other.digest)
    if one is not None:
        return DiffedEntry(one.path, "removed", one.size, None, one.digest, None)
    if other is not None:
        return DiffedEntry(other.path, "added", None, other.size, None, other.digest)
    return None


def _entry(line: FileLine) -> Entry:
    return Entry(line.path, line.size, line.digest)
