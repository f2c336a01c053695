"""A place in memory, where every accident of a commit can be played in milliseconds."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from airflow_dirops.core.errors import (
    ArgumentRefused,
    AttemptSuperseded,
    DiropsError,
    ManifestDamaged,
    ManifestMissing,
    SnapshotExpired,
)
from airflow_dirops.core.format.control import Adoption, FencedRun, Owner
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.members import is_id
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.place.claim import Terms
from airflow_dirops.core.place.place import Cleaned
from airflow_dirops.core.rules.ownership import (
    can_reuse,
    claiming_row,
    numbered,
    refuse_ended,
    refuse_superseded,
    refuse_to_go_on,
    was_cleared,
)
from airflow_dirops.core.rules.replacing import (
    refuse_foreign,
    refuse_sibling,
    refuse_unmanaged,
)
from airflow_dirops.core.stage.policies import Replaceable
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.testing.places.faults import Fault, stumbling
from airflow_dirops.testing.places.memory_claim import MemoryClaim
from airflow_dirops.testing.places.memory_staging import MemoryLeftover
from airflow_dirops.testing.places.memory_store import Area, Content, MemoryHeld, Store
from airflow_dirops.testing.places.memory_target import MemoryTarget


class MemoryPlace(MemoryTarget):
    """A target in memory; see :class:`~airflow_dirops.core.place.place.Place`. Of one process, and of one thread.

    :param store: what is kept; several places may share one, as several processes share a disk.
    :param name: for messages.
    :param fault: an accident to whoever claims here.
    """

    def __init__(self, store: Store | None = None, name: str = "/memory/target", fault: Fault | None = None) -> None:
        super().__init__(store or Store(), name)
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
            claim = self._begin(attempt, base, terms, row, full=full, dead=dead)
            claim.written.is_alive = False  # for as long as nobody knows of the claim
        claim.written.is_alive = True
        return claim

    def resume(
        self,
        attempt: str,
        terms: Terms,
        *,
        shard: int | None = None,
        host: str | None = None,  # noqa: ARG002 - there is one machine
    ) -> MemoryClaim:
        store, current = self.store, self.manifest()
        if not is_id(attempt):
            raise ArgumentRefused(f"{attempt!r} is no id of an attempt; give the one that the claim has")
        left = store.open_claims.get(attempt)
        if left is None:
            raise AttemptSuperseded(f"attempt {attempt} has left no claim open on {self.name!r}, or it is over")
        mine = left.attempt(attempt)
        refuse_superseded(self.name, mine, store.fence)
        refuse_ended(self.name, mine, store.fence, current, self.sealed_by(mine.id))
        refuse_to_go_on(self.name, mine, left, terms, self.waits_until(attempt), time.time())
        base = None
        if left.base:
            try:
                with closing(self.hold(left.base)) as held:
                    base = held.manifest
            except SnapshotExpired as error:
                raise SnapshotExpired(f"{error}, from its beginning") from error
        row = store.fence[mine.run.fence_key]
        return self._begin(mine, base, terms, row, full=left.full, shard=shard)

    def permits_removal(self, snapshot: str) -> bool:
        return self.store.accepted_removal == snapshot

    def accept_removal(self, snapshot: str) -> None:
        self.store.accepted_removal = snapshot

    def forget_accepted_removal(self) -> None:
        self.store.accepted_removal = None

    def adopt(self, stage: str | None) -> Adoption:
        current = self.manifest()
        if not (self.store.current and self.store.current.files) or (current and current.stage == stage):
            raise ArgumentRefused(f"nothing at {self.name!r} is in the way of stage {stage!r}; run it")
        self.store.adoption = Adoption(stage, current.snapshot) if current else Adoption(stage, None, self.changed_ns)
        return self.store.adoption

    def adoption(self) -> Adoption | None:
        adoption, current = self.store.adoption, self.manifest()
        is_for_it = adoption and adoption.is_for(current.snapshot if current else None, self.changed_ns)
        return adoption if is_for_it else None

    def list_kept(self) -> list[MemoryKept]:
        kept = []
        for content in (self.store.current, *self.store.retired):
            with suppress(DiropsError):
                if content is not None:
                    is_current = content is self.store.current
                    kept.append(MemoryKept(content.manifest(self.name), is_current, self.name, content))
        return kept

    def list_held(self) -> list[MemoryOnHold]:
        held = [
            MemoryOnHold(area.content.manifest(self.name), False, self.name, area.content, hold.until, hold.may_replace)
            for area in self.store.areas.values()
            if (hold := area.on_hold) and hold.snapshot == area.sealed
        ]
        return held[::-1]

    def finish_what_crashed(self, who: str) -> None:
        """A commit here is one step."""

    def clean(self, retention: Retention) -> Cleaned:
        orphans = list(self.dead())
        for attempt in orphans:
            self.store.drop(attempt)
        left = [f"{attempt} may be at work on this target too" for attempt in self.attempts()]
        unmanaged = [f"unmanaged-{number}" for number, _ in enumerate(self.store.unmanaged)]
        return Cleaned(orphans, self.drop_expired(retention), unmanaged, left=left)

    def _base(self, terms: Terms) -> Manifest | None:
        try:
            base = self.read_header()
        except (ManifestMissing, ManifestDamaged) as error:
            if self.store.current and self.store.current.files:
                refuse_unmanaged(self.name, error, terms, self.store.adoption, self.changed_ns)
            return None
        refuse_foreign(self.name, base, terms, self.store.adoption)
        return base

    def _take_dead(
        self, attempt: Attempt, row: FencedRun, fingerprint: str | None, *, full: bool
    ) -> list[MemoryLeftover]:
        if fingerprint is None:
            return []
        dead = []
        for other in list(self.dead()):
            areas = self.store.areas_of(other)
            if not any(area.lines for area in areas.values()):
                self.store.drop(other)
            for name, area in areas.items():
                if area.lines and can_reuse(area.owner, attempt, row, fingerprint, full=full):
                    area.holder = attempt.id
                    dead.append(MemoryLeftover(name, area))
        return dead

    def _begin(
        self,
        attempt: Attempt,
        base: Manifest | None,
        terms: Terms,
        row: FencedRun,
        *,
        full: bool,
        dead: Sequence[MemoryLeftover] = (),
        shard: int | None = None,
    ) -> MemoryClaim:
        others = self.store.areas_of(attempt.id)
        name = f"{attempt.id}-{len(others) + 1}" if others else attempt.id
        area = Area(attempt.id, _owner(attempt, terms.fingerprint or "", full=full, shard=shard))
        self.store.areas[name] = area
        claim = MemoryClaim(self, attempt, base, name, terms, row, full, dead, self._fault)
        claim.others = [MemoryLeftover(*other) for other in others.items()]
        return claim


@dataclass(frozen=True)
class MemoryKept:
    """See :class:`~airflow_dirops.core.place.held.Kept`."""

    manifest: Manifest
    is_current: bool
    name: str
    content: Content

    def hold(self) -> MemoryHeld:
        return MemoryHeld(self.content, self.name)


@dataclass(frozen=True)
class MemoryOnHold(MemoryKept):
    """See :class:`~airflow_dirops.core.place.held.OnHold`."""

    until: float
    may_replace: tuple[Replaceable, ...]


def _owner(attempt: Attempt, fingerprint: str, *, full: bool, shard: int | None) -> Owner:
    return Owner(
        host=socket.gethostname(),
        boot="",
        process=os.getpid(),
        fingerprint=fingerprint,
        run=attempt.run,
        try_number=attempt.try_number,
        ti_id=attempt.ti_id,
        full=full,
        shard=shard,
    )
