"""A target in memory, as the place and its claims share it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from math import inf

import msgspec

from airflow_dirops.core.errors import (
    DiropsError,
    ManifestDamaged,
    ManifestMissing,
    SnapshotExpired,
)
from airflow_dirops.core.format.control import OpenClaim
from airflow_dirops.core.format.manifest import HEADER, Manifest
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.place.place import FailedInTry, FailedTry
from airflow_dirops.core.rules.ownership import (
    is_dead,
    open_until,
    refuse_ended,
    refuse_superseded,
    rows_after,
)
from airflow_dirops.core.rules.replacing import (
    refuse_conflict,
    refuse_sibling,
)
from airflow_dirops.core.stage.policies import OnConflict
from airflow_dirops.core.stage.retention import KEEP_HOURS, KEEP_SNAPSHOTS, Retention
from airflow_dirops.testing.places.memory_store import Area, Content, MemoryHeld, Store


class MemoryTarget:
    """A target, and what belongs to it.

    :param store: what is kept.
    :param name: for messages.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name

    def hold(self, snapshot: str | None = None) -> MemoryHeld:
        if snapshot is None:
            return MemoryHeld(self._there(), self.name)
        for content in (self.store.current, *self.store.retired):
            with suppress(DiropsError):
                if content and content.manifest(self.name).snapshot == snapshot:
                    return MemoryHeld(content, self.name)
        raise SnapshotExpired(f"snapshot {snapshot} of {self.name!r} is no longer kept; run its stage again")

    def read_header(self) -> Manifest:
        return self._there().manifest(self.name)

    def _there(self) -> Content:
        if not (self.store.current and self.store.current.files):
            raise ManifestMissing(f"there is no snapshot at {self.name!r}{self.remains()}")
        return self.store.current

    @property
    def changed_ns(self) -> int | None:
        """When what lies there was put there."""
        return self.store.current.sealed_ns if self.store.current else None

    def manifest(self) -> Manifest | None:
        with suppress(ManifestMissing, ManifestDamaged):
            return self.read_header()
        return None

    def remains(self) -> str:
        if found := self.newest_failed_try():
            return f"; the last try, {found.attempt}, committed nothing: {len(list(found.inputs))} inputs failed"
        if self.store.retired:
            return f"; {len(self.store.retired)} that it had are kept"
        return "; a try at it has begun, and committed nothing: run the stage again" if self.store.areas else ""

    def has_remains(self) -> bool:
        committed = any(row.committed or row.done for row in self.store.fence.values())
        return bool(self.store.current or self.store.retired or self.store.areas or committed)

    def is_tried(self) -> bool:
        return bool(self.store.areas)

    def newest_failed_try(self, newer_than: str = "") -> FailedTry | None:
        for attempt, area in sorted(self.store.areas.items(), reverse=True):
            failed = [FailedInTry(line.input.path, line.failure) for line in area.lines if line.failure]
            if failed and attempt > newer_than:
                return FailedTry(attempt, iter(failed))
        return None

    def attempts(self) -> Iterable[str]:
        return {area.attempt: None for area in self.store.areas.values()}

    def dead(self) -> Iterable[str]:
        for attempt in self.attempts():
            areas = self.store.areas_of(attempt).values()
            is_at_work = any(area.is_alive or area.holder for area in areas)
            if is_dead(is_at_work=is_at_work, until=self.open_until(attempt), now=time.time()):
                yield attempt

    def open_until(self, attempt: str) -> float | None:
        """Until when a claim waits for somebody who goes on with it, if nobody is at work on it."""
        row = next((row for row in self.store.fence.values() if row.attempt == attempt), None)
        last_work = max((area.last_work for area in self.store.areas_of(attempt).values()), default=0.0)
        claim = self.store.open_claims.get(attempt)
        if row is None or claim is None:
            return None
        sealed = self.sealed_by(attempt)
        return open_until(row, self.manifest(), sealed, last_work, while_at_work=claim.while_at_work)

    def waits_until(self, attempt: str) -> float | None:
        """The same, but without an end for as long as somebody is."""
        until, areas = self.open_until(attempt), self.store.areas_of(attempt).values()
        return inf if until is not None and any(area.is_alive for area in areas) else until

    def sealed_by(self, attempt: str) -> set[str]:
        """The snapshots that an attempt's processes have sealed and not committed."""
        areas = self.store.areas_of(attempt).values()
        return {area.content.manifest(self.name).snapshot for area in areas if HEADER in area.files}

    def leave_open(self, attempt: Attempt, claim: OpenClaim) -> None:
        fence = self.store.fence
        refuse_superseded(self.name, attempt, fence)
        refuse_ended(self.name, attempt, fence, self.manifest(), self.sealed_by(attempt.id))
        self.store.open_claims[attempt.id] = claim
        row = fence[attempt.run.fence_key]
        fence[attempt.run.fence_key] = msgspec.structs.replace(row, open=True)

    def swap(
        self, attempt: Attempt, base: Manifest | None, written: Area, sealed: Manifest, on_conflict: OnConflict
    ) -> None:
        store, current = self.store, self.manifest()
        refuse_superseded(self.name, attempt, store.fence)
        refuse_ended(self.name, attempt, store.fence, current, self.sealed_by(attempt.id))
        refuse_sibling(self.name, attempt.run, current.attempt if current else None, store.fence)
        refuse_conflict(self.name, attempt, base, current, sealed, on_conflict)
        store.fence |= rows_after(attempt, store.fence, current, sealed.snapshot)
        store.adoption = None
        replaced, store.current = store.current, written.content
        written.content, written.lines = Content(), []
        if replaced is not None:
            replaced.replaced = time.time()
            (store.retired if current else store.unmanaged).insert(0, replaced)

    def drop_expired(self, retention: Retention) -> list[str]:
        count = KEEP_SNAPSHOTS if retention.keep_snapshots is None else retention.keep_snapshots
        hours = KEEP_HOURS if retention.keep_hours is None else retention.keep_hours
        oldest = time.time() - hours * 3600
        expired = [one for one in self.store.retired[count:] if one.replaced <= oldest and not one.readers]
        in_use = [
            claim.base
            for attempt, claim in self.store.open_claims.items()
            if (until := self.waits_until(attempt)) is not None and until > time.time()
        ]
        expired = [one for one in expired if one.manifest(self.name).snapshot not in in_use]
        self.store.retired = [one for one in self.store.retired if one not in expired]
        return [one.manifest(self.name).snapshot for one in expired]
