"""A target in memory, as the place and its claims share it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from io import BufferedReader, BytesIO
from math import inf
from typing import BinaryIO

import msgspec

from airflow_dirops.core.errors import (
    DiropsError,
    ManifestDamaged,
    ManifestMissing,
    NotHeld,
    SnapshotDamaged,
    SnapshotExpired,
)
from airflow_dirops.core.format.control import Hold, OpenClaim, Rejection
from airflow_dirops.core.format.manifest import HEADER, Manifest, encode_header
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.format.triage import Decision
from airflow_dirops.core.place.place import AttemptSeen, FailedInTry, FailedTry
from airflow_dirops.core.rules.ownership import (
    is_dead,
    open_until,
    refuse_ended,
    refuse_superseded,
    rows_after,
    rows_after_publishing,
)
from airflow_dirops.core.rules.publishing import REJECTIONS_KNOWN, refuse_moved_base
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
            failed = [FailedInTry(line.input, line.failure) for line in area.lines if line.failure]
            if failed and attempt > newer_than:
                return FailedTry(attempt, iter(failed))
        return None

    def triage(self) -> list[Decision]:
        return list(self.store.triage)

    def amend_triage(self, amend: Callable[[Sequence[Decision]], Iterable[Decision]]) -> list[Decision]:
        before = self.triage()
        self.store.triage = [*amend(before)]
        named = {each.replacement for each in self.store.triage}
        for each in before:
            if each.replacement is not None and each.replacement not in named:
                self.store.replacements.pop(each.replacement, None)
        return self.triage()

    def keep_replacement(self, file: BinaryIO) -> str:
        content = file.read()
        digest = sha256(content).hexdigest()
        self.store.replacements[digest] = content
        return digest

    def open_replacement(self, digest: str) -> BufferedReader:
        if digest not in self.store.replacements:
            raise SnapshotDamaged(f"the replacement {digest} is gone; give it again")
        return BufferedReader(BytesIO(self.store.replacements[digest]))

    def list_attempts(self) -> list[AttemptSeen]:
        return [self._seen(attempt) for attempt in sorted(self.attempts(), reverse=True)]

    def _seen(self, attempt: str) -> AttemptSeen:
        areas = [*self.store.areas_of(attempt).values()]
        states = Counter(line.state for area in areas for line in area.lines)
        expected = [area.expected for area in areas if area.expected is not None]
        is_at_work = any(area.is_alive for area in areas)
        return AttemptSeen(
            attempt=attempt,
            owner=areas[0].owner,
            is_at_work=is_at_work,
            is_open=not is_at_work and self.open_until(attempt) is not None,
            last_work=max(area.last_work for area in areas),
            expected=sum(expected) if expected else None,
            lines=states.total(),
            carried=states["carried"],
            skipped=states["skipped"],
            quarantined=states["quarantined"],
        )

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
        return {area.sealed for area in self.store.areas_of(attempt).values() if area.sealed}

    def rejections(self) -> list[Rejection]:
        return list(self.store.rejections)

    def reject(self, rejection: Rejection) -> None:
        self.on_hold(rejection.snapshot).on_hold = None
        self.store.rejections = [*self.store.rejections, rejection][-REJECTIONS_KNOWN:]

    def on_hold(self, snapshot: str) -> Area:
        """Where a held snapshot lies.

        :raises NotHeld: if it is not held.
        """
        for area in self.store.areas.values():
            if area.on_hold and area.on_hold.snapshot == area.sealed == snapshot:
                return area
        raise NotHeld(f"snapshot {snapshot} of the target {self.name!r} is not held any more; run its stage again")

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
        current = self._still_claimed(attempt)
        refuse_conflict(self.name, attempt, base, current, sealed, on_conflict)
        self.store.fence |= rows_after(attempt, self.store.fence, current, sealed.snapshot)
        self._put_in_place(written, current)

    def hold_back(
        self, attempt: Attempt, base: Manifest | None, written: Area, sealed: Manifest, hold: Hold, asked: OnConflict
    ) -> None:
        refuse_conflict(self.name, attempt, base, self._still_claimed(attempt), sealed, asked)
        written.on_hold = hold

    def publish(self, attempt: Attempt, sealed: Manifest) -> None:
        current, area = self._still_claimed(attempt), self.on_hold(sealed.snapshot)
        refuse_moved_base(self.name, area.content.manifest(self.name), current)
        area.files[HEADER] = encode_header(sealed)
        self.store.fence |= rows_after_publishing(attempt, self.store.fence, current, sealed)
        self._put_in_place(area, current)
        area.on_hold = None
        self.store.drop(area.attempt)

    def _still_claimed(self, attempt: Attempt) -> Manifest | None:
        fence, current = self.store.fence, self.manifest()
        refuse_superseded(self.name, attempt, fence)
        refuse_ended(self.name, attempt, fence, current, self.sealed_by(attempt.id))
        refuse_sibling(self.name, attempt.run, current.attempt if current else None, fence)
        return current

    def _put_in_place(self, written: Area, current: Manifest | None) -> None:
        store = self.store
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
