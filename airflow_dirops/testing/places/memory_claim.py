"""A claim on a place in memory."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import (
    CommitUnknown,
    ConflictError,
    DiropsError,
    ManifestDamaged,
    SnapshotExpired,
)
from airflow_dirops.core.format.control import FencedRun, Hold, OpenClaim
from airflow_dirops.core.format.manifest import ListRecord, Manifest
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.place.claim import Committed, Lost, Terms, Unknown, Won
from airflow_dirops.core.rules.ownership import (
    try_that_committed,
)
from airflow_dirops.core.stage.policies import Durability, OnConflict
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.testing.places.faults import AnswerLost, Fault, stumbling
from airflow_dirops.testing.places.memory_staging import MemoryLeftover, MemoryStaging
from airflow_dirops.testing.places.memory_store import MemoryHeld
from airflow_dirops.testing.places.memory_target import MemoryTarget


class MemoryClaim:
    """See :class:`~airflow_dirops.core.place.claim.Claim`."""

    def __init__(
        self,
        place: MemoryTarget,
        attempt: Attempt,
        base: Manifest | None,
        area: str,
        terms: Terms,
        row: FencedRun,
        full: bool,
        dead: Sequence[MemoryLeftover],
        fault: Fault | None,
    ) -> None:
        self.attempt, self.base, self.full, self.dead = attempt, base, full, dead
        self.others: Sequence[MemoryLeftover] = ()
        self.area = area
        self.written = place.store.areas[area]
        self._place = place
        self._terms = terms
        self._goes_on = False
        self._row = row
        self._fault = fault
        self._scratch = Path(tempfile.gettempdir(), f"dirops-{area}")

    @property
    def committed_before(self) -> bool:
        return try_that_committed(self._row, self.base) >= self.attempt.first_try_number

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self.written.is_alive, self.written.last_work = False, time.time()
        for dead in self.dead:
            dead.area.holder = None
        if error is None and not self._goes_on:
            for attempt in (self.attempt.id, *(dead.area.attempt for dead in self.dead)):
                self._place.store.drop(attempt)

    def leave_open(self, *, while_at_work: bool = False) -> None:
        claim = OpenClaim.of(
            self.attempt,
            stage=self._terms.stage,
            fingerprint=self._terms.fingerprint or "",
            base=self.base.snapshot if self.base else None,
            full=self.full,
            dimensions=self._terms.dimensions,
            while_at_work=while_at_work,
        )
        self._place.leave_open(self.attempt, claim)
        self._goes_on = True

    def end(self) -> None:
        self._goes_on = False

    def write_note(self, name: str, lines: Iterable[bytes]) -> ListRecord:
        encoded = [line + b"\n" for line in lines]
        content = self.written.notes[name] = b"".join(encoded)
        return ListRecord(lines=len(encoded), bytes=len(content), digest=sha256(content).hexdigest())

    def open_note(self, area: str, name: str, host: str | None = None) -> BufferedReader | None:  # noqa: ARG002
        there = self._place.store.areas.get(area)
        content = there.notes.get(name) if there else None
        return None if content is None else BufferedReader(cast(RawIOBase, BytesIO(content)))

    def name_of_note(self, area: str, name: str) -> str:
        return f"{self._place.name}/{area}/{name}"

    def left_by(self, area: str) -> MemoryLeftover | None:
        there = self._place.store.areas.get(area)
        is_same_code = there is not None and there.owner.fingerprint == (self._terms.fingerprint or "")
        return MemoryLeftover(area, there) if there is not None and is_same_code else None

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
        self.written.is_synced = durability == "full"
        return MemoryStaging(self.written, self._place.name, self.sorter, self._fault)

    def commit(self, sealed: Manifest, on_conflict: OnConflict = "fail") -> Committed:
        return self._ended_by(lambda: self._place.swap(self.attempt, self.base, self.written, sealed, on_conflict))

    def hold_sealed(self) -> MemoryHeld:
        return MemoryHeld(self.written.content, self._place.name)

    def hold_back(self, sealed: Manifest, until: float, on_conflict: OnConflict = "fail") -> Committed:
        allowed = tuple(sorted(self._terms.may_replace))
        hold = Hold(snapshot=sealed.snapshot, until=until, may_replace=allowed)
        return self._ended_by(
            lambda: self._place.hold_back(self.attempt, self.base, self.written, sealed, hold, on_conflict)
        )

    def publish(self, held: Manifest) -> Committed:
        return self._ended_by(lambda: self._place.publish(self.attempt, held))

    def _ended_by(self, step: Callable[[], None]) -> Committed:
        try:
            with stumbling(self._fault, "commit", self._place.name):
                step()
        except ConflictError as error:
            return Lost(error)
        except AnswerLost as error:
            return Unknown(CommitUnknown(self._place.name, error))
        self.end()
        return Won()

    def retire(self, retention: Retention) -> None:
        with suppress(DiropsError), stumbling(self._fault, "retire", self._place.name):
            self._place.drop_expired(retention)

    def where_replaced(self) -> str:
        return f"{self._place.name}, snapshot {self.base.snapshot}" if self.base else ""
