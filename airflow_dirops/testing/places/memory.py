"""A place in memory, where every accident of a commit can be played in milliseconds."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import (
    ArgumentRefused,
    CommitUnknown,
    ConflictError,
    DiropsError,
    ManifestDamaged,
    ManifestMissing,
    SnapshotExpired,
)
from airflow_dirops.core.format.control import Adoption, FencedRun, Owner
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.place.claim import Committed, Lost, Terms, Unknown, Won
from airflow_dirops.core.place.place import Cleaned, FailedInTry, FailedTry
from airflow_dirops.core.rules import (
    can_reuse,
    claiming_row,
    numbered,
    refuse_conflict,
    refuse_foreign,
    refuse_sibling,
    refuse_superseded,
    refuse_unmanaged,
    rows_after,
    try_that_committed,
    was_cleared,
)
from airflow_dirops.core.stage.policies import Durability, OnConflict
from airflow_dirops.core.stage.retention import KEEP_HOURS, KEEP_SNAPSHOTS, Retention
from airflow_dirops.testing.places.faults import AnswerLost, Fault, stumbling
from airflow_dirops.testing.places.memory_staging import MemoryDead, MemoryStaging
from airflow_dirops.testing.places.memory_store import Area, Content, MemoryHeld, Store


class MemoryPlace:
    """A target in memory; see :class:`~airflow_dirops.core.place.place.Place`. Of one process, and of one thread.

    :param store: what is kept; several places may share one, as several processes share a disk.
    :param name: for messages.
    :param fault: an accident to whoever claims here.
    """

    def __init__(self, store: Store | None = None, name: str = "/memory/target", fault: Fault | None = None) -> None:
        self.store = store or Store()
        self.name = name
        self._fault = fault

    def check(self, sources: Iterable[str]) -> None: ...

    def look(self, terms: Terms) -> MemoryHeld | None:
        base = self._base(terms)
        return self.hold(base.snapshot) if base else None

    def claim(self, attempt: Attempt, terms: Terms) -> MemoryClaim:
        with stumbling(self._fault, "claim", self.name):
            store, base = self.store, self._base(terms)
            if store.accepted_removal != (base.snapshot if base else None):
                store.accepted_removal = None
            refuse_sibling(self.name, attempt.run, base.attempt if base else None, store.fence)
            attempt = numbered(attempt, store.fence)
            row = claiming_row(self.name, attempt, store.fence)
            store.fence[attempt.run.fence_key] = row
            full = terms.full or was_cleared(attempt, row, base)
            dead = self._take_dead(attempt, row, terms.fingerprint, full=full)
            area = Area(_owner(attempt, terms.fingerprint or "", full=full))
            store.areas[attempt.id] = area
            claim = MemoryClaim(self, attempt, base, area, row, full, dead, self._fault)
            area.is_alive = False  # for as long as nobody knows of the claim
        area.is_alive = True
        return claim

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

    def permits_removal(self, snapshot: str) -> bool:
        return self.store.accepted_removal == snapshot

    def accept_removal(self, snapshot: str) -> None:
        self.store.accepted_removal = snapshot

    def forget_accepted_removal(self) -> None:
        self.store.accepted_removal = None

    def adopt(self, stage: str | None) -> Adoption:
        current = self._manifest()
        if not (self.store.current and self.store.current.files) or (current and current.stage == stage):
            raise ArgumentRefused(f"nothing at {self.name!r} is in the way of stage {stage!r}; run it")
        self.store.adoption = Adoption(stage, current.snapshot if current else None)
        return self.store.adoption

    def adoption(self) -> Adoption | None:
        adoption, current = self.store.adoption, self._manifest()
        return adoption if adoption and adoption.snapshot == (current.snapshot if current else None) else None

    def remains(self) -> str:
        if found := self.newest_failed_try():
            return f"; the last try, {found.attempt}, committed nothing: {len(list(found.inputs))} inputs failed"
        if self.store.retired:
            return f"; {len(self.store.retired)} that it had are kept"
        return "; a try at it has begun, and committed nothing: run the stage again" if self.store.areas else ""

    def list_kept(self) -> list[MemoryKept]:
        kept = []
        for content in (self.store.current, *self.store.retired):
            with suppress(DiropsError):
                if content is not None:
                    is_current = content is self.store.current
                    kept.append(MemoryKept(content.manifest(self.name), is_current, self.name, content))
        return kept

    def finish_what_crashed(self, who: str) -> None:
        """A commit here is one step."""

    def newest_failed_try(self, newer_than: str = "") -> FailedTry | None:
        for attempt, area in sorted(self.store.areas.items(), reverse=True):
            failed = [FailedInTry(line.input.path, line.failure) for line in area.lines if line.failure]
            if failed and attempt > newer_than:
                return FailedTry(attempt, iter(failed))
        return None

    def clean(self, retention: Retention) -> Cleaned:
        orphans = [attempt for attempt, area in self.store.areas.items() if not (area.is_alive or area.holder)]
        for attempt in orphans:
            del self.store.areas[attempt]
        left = [f"{area.owner} is at work on this target too" for area in self.store.areas.values() if area.is_alive]
        unmanaged = [f"unmanaged-{number}" for number, _ in enumerate(self.store.unmanaged)]
        return Cleaned(orphans, self.drop_expired(retention), unmanaged, left=left)

    def _there(self) -> Content:
        if not (self.store.current and self.store.current.files):
            raise ManifestMissing(f"there is no snapshot at {self.name!r}{self.remains()}")
        return self.store.current

    def _manifest(self) -> Manifest | None:
        with suppress(ManifestMissing, ManifestDamaged):
            return self.read_header()
        return None

    def _base(self, terms: Terms) -> Manifest | None:
        try:
            base = self.read_header()
        except (ManifestMissing, ManifestDamaged) as error:
            if self.store.current and self.store.current.files:
                refuse_unmanaged(self.name, error, terms, self.store.adoption)
            return None
        refuse_foreign(self.name, base, terms, self.store.adoption)
        return base

    def _take_dead(self, attempt: Attempt, row: FencedRun, fingerprint: str | None, *, full: bool) -> list[MemoryDead]:
        if fingerprint is None:
            return []
        dead = []
        for name, area in list(self.store.areas.items()):
            if area.is_alive or area.holder:
                continue
            if not area.lines:
                del self.store.areas[name]
            elif can_reuse(area.owner, attempt, row, fingerprint, full=full):
                area.holder = attempt.id
                dead.append(MemoryDead(name, area))
        return dead

    def swap(self, claim: MemoryClaim, sealed: Manifest, on_conflict: OnConflict) -> None:
        store, attempt, current = self.store, claim.attempt, self._manifest()
        refuse_superseded(self.name, attempt, store.fence)
        refuse_sibling(self.name, attempt.run, current.attempt if current else None, store.fence)
        refuse_conflict(self.name, attempt, claim.base, current, sealed, on_conflict)
        store.fence |= rows_after(attempt, store.fence, current, sealed.snapshot)
        store.adoption = None
        replaced, store.current = store.current, claim.area.content
        claim.area.content, claim.area.lines = Content(), []
        if replaced is not None:
            replaced.replaced = time.time()
            (store.retired if current else store.unmanaged).insert(0, replaced)

    def drop_expired(self, retention: Retention) -> list[str]:
        count = KEEP_SNAPSHOTS if retention.keep_snapshots is None else retention.keep_snapshots
        hours = KEEP_HOURS if retention.keep_hours is None else retention.keep_hours
        oldest = time.time() - hours * 3600
        expired = [one for one in self.store.retired[count:] if one.replaced <= oldest and not one.readers]
        self.store.retired = [one for one in self.store.retired if one not in expired]
        return [one.manifest(self.name).snapshot for one in expired]


class MemoryClaim:
    """See :class:`~airflow_dirops.core.place.claim.Claim`."""

    def __init__(
        self,
        place: MemoryPlace,
        attempt: Attempt,
        base: Manifest | None,
        area: Area,
        row: FencedRun,
        full: bool,
        dead: list[MemoryDead],
        fault: Fault | None,
    ) -> None:
        self.attempt, self.base, self.full, self.dead = attempt, base, full, dead
        self.area = area
        self._place = place
        self._row = row
        self._fault = fault
        self._scratch = Path(tempfile.gettempdir(), f"dirops-{attempt.id}")

    @property
    def committed_before(self) -> bool:
        return try_that_committed(self._row, self.base) >= self.attempt.first_try_number

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self.area.is_alive = False
        for dead in self.dead:
            dead.area.holder = None
        if error is None:
            for attempt in (self.attempt.id, *(dead.id for dead in self.dead)):
                self._place.store.areas.pop(attempt, None)

    def hold_base(self) -> MemoryHeld | None:
        try:
            return self._place.hold(self.base.snapshot) if self.base else None
        except SnapshotExpired as error:
            raise ManifestDamaged(f"the base of {self._place.name!r} is gone; run the stage again") from error

    def sorter(self, name: str) -> Sorter:
        return Sorter(self._scratch, name)

    def free_bytes(self) -> int | None:
        return None

    def check_replaceable(self) -> None: ...

    def stage(self, durability: Durability) -> MemoryStaging:
        self.area.is_synced = durability == "full"
        return MemoryStaging(self.area, self._place.name, self.sorter, self._fault)

    def commit(self, sealed: Manifest, on_conflict: OnConflict = "fail") -> Committed:
        try:
            with stumbling(self._fault, "commit", self._place.name):
                self._place.swap(self, sealed, on_conflict)
        except ConflictError as error:
            return Lost(error)
        except AnswerLost as error:
            return Unknown(CommitUnknown(self._place.name, error))
        return Won()

    def retire(self, retention: Retention) -> None:
        with suppress(DiropsError), stumbling(self._fault, "retire", self._place.name):
            self._place.drop_expired(retention)

    def where_replaced(self) -> str:
        return f"{self._place.name}, snapshot {self.base.snapshot}" if self.base else ""


@dataclass(frozen=True)
class MemoryKept:
    """See :class:`~airflow_dirops.core.place.held.Kept`."""

    manifest: Manifest
    is_current: bool
    name: str
    content: Content

    def hold(self) -> MemoryHeld:
        return MemoryHeld(self.content, self.name)


def _owner(attempt: Attempt, fingerprint: str, *, full: bool) -> Owner:
    return Owner(
        host=socket.gethostname(),
        boot="",
        process=os.getpid(),
        fingerprint=fingerprint,
        run=attempt.run,
        try_number=attempt.try_number,
        ti_id=attempt.ti_id,
        full=full,
    )
