"""Claim a target: one attempt says that it means to replace what is there now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from airflow_dirops.core.disk.permissions import make_shared_directory
from airflow_dirops.core.errors import AttemptSuperseded, DiropsError, storage_errors
from airflow_dirops.core.format.control import Adoption, FencedRun, OpenClaim
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place.claim import Terms
from airflow_dirops.core.places.directory.alive import AliveLock, LeftAlone, owner_here, write_owner
from airflow_dirops.core.places.directory.areas import areas_of, is_own_name
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.dead import DeadAttempt, LeftArea, release_all
from airflow_dirops.core.places.directory.notes import sync_notes
from airflow_dirops.core.places.directory.open_claims import current_of, sealed_by, write_open_claim
from airflow_dirops.core.places.directory.preflight import check_same_device, is_vacant, last_changed, read_base
from airflow_dirops.core.places.directory.recovery import (
    finish_swap,
    sort_out,
    swapped_out,
    take_dead,
    warn_of,
)
from airflow_dirops.core.places.directory.retention import discard, remove_rest
from airflow_dirops.core.rules.ownership import (
    can_reuse,
    claiming_row,
    numbered,
    refuse_ended,
    refuse_superseded,
    try_that_committed,
    was_cleared,
)
from airflow_dirops.core.rules.replacing import refuse_sibling

log = logger(__name__)

# A claim deletes what dead attempts left for so long; what is left then, the next one deletes.
_CLEANING_SECONDS = 10.0


@dataclass
class ClaimedTarget:
    """A claim on a target, in one process.

    :param terms: those on which it was made.
    :param base: the snapshot that was there when the claim was made.
    :param directory: this process's own staging area.
    :param fenced: this claim's line in the fence.
    :param alive: says that this process is at work.
    :param full: everything is made anew: the stage says so, or a user cleared a task that had committed.
    :param let_as_of: when a directory that no stage wrote was last changed, where it may be replaced only as it was.
    :param adoption: the permission, for once, that a commit uses up.
    :param found_dead: what earlier attempts left; ours while we hold their locks.
    :param others: what other processes have in their staging areas under this claim.
    :param published: the staging area, of another attempt, of a held snapshot that this one has published.
    """

    control: ControlDirectory
    attempt: Attempt
    terms: Terms
    base: Manifest | None
    directory: Path
    fenced: FencedRun
    alive: AliveLock
    full: bool = False
    replaces_unmanaged: bool = False
    let_as_of: int | None = None
    adoption: Adoption | None = None
    found_dead: list[DeadAttempt] = field(default_factory=list)
    others: list[LeftArea] = field(default_factory=list)
    published: list[Path] = field(default_factory=list)
    _goes_on: bool = field(init=False, default=False)
    _looked_at: list[LeftArea] = field(init=False, default_factory=list)

    @property
    def tree(self) -> Path:
        """What this process writes."""
        return self.control.tree_of(self.directory.name)

    @property
    def target(self) -> Path:
        return self.control.target

    @property
    def committed_before(self) -> bool:
        """Whether the base was committed by an earlier try that nobody has cleared since."""
        return try_that_committed(self.fenced, self.base) >= self.attempt.first_try_number

    @property
    def dead(self) -> list[LeftArea]:
        """What dead attempts have in their staging areas that may stand for work of this one."""
        return [area for dead in self.found_dead if dead.is_reusable for area in dead.areas]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go. What a failed attempt finished stays for the next one; what is of no more use is removed."""
        if error is None and not self._goes_on:
            self._clear_up()
        release_all(self.found_dead)
        for area in (*self.others, *self._looked_at):
            area.close()
        self.alive.release()
        if error is None:
            remove_rest(self.control)

    @contextmanager
    def or_released(self) -> Iterator[None]:
        """Let go of the claim if the block fails."""
        with ExitStack() as stack:
            stack.push(self)
            yield
            stack.pop_all()

    def left_by(self, area: str) -> LeftArea | None:
        """What lies in a staging area of this attempt, or of another one with the same code."""
        if not is_own_name(area) or not (self.control.attempts / area).is_dir():
            return None
        left = LeftArea(self.control.attempts / area)
        if left.owner is None or left.owner.fingerprint != (self.terms.fingerprint or ""):
            return None
        self._looked_at.append(left)
        return left

    def leave_open(self, *, while_at_work: bool = False) -> None:
        """Let the claim outlive this process.

        :param while_at_work: only for as long as any process of it is at work.
        :raises AttemptSuperseded: if a newer try of the same run has claimed the target, or another process of this
            one has committed.
        """
        control, attempt, place = self.control, self.attempt, str(self.target)
        sync_notes(self.directory)
        with control.locked(f"{attempt.run}, try {attempt.try_number}"):
            fence = control.read_fence()
            refuse_superseded(place, attempt, fence)
            refuse_ended(place, attempt, fence, current_of(control), sealed_by(control, attempt, fence))
            row = fence[attempt.run.fence_key]
            if not row.open:
                left = OpenClaim.of(
                    attempt,
                    stage=self.terms.stage,
                    fingerprint=self.terms.fingerprint or "",
                    base=self.base.snapshot if self.base else None,
                    full=self.full,
                    dimensions=self.terms.dimensions,
                    replaces_unmanaged=self.replaces_unmanaged,
                    changed_ns=self.let_as_of,
                    while_at_work=while_at_work,
                )
                write_open_claim(control, attempt.id, left)
                control.write_fence(fence, {attempt.run.fence_key: msgspec.structs.replace(row, open=True)})
        self.alive.note_work()
        self._goes_on = True

    def end(self) -> None:
        """When this process lets go of it, nobody goes on."""
        self._goes_on = False

    def _clear_up(self) -> None:
        """Remove what is of no more use. Failing at it only warns: what was committed is."""
        try:
            with storage_errors("clearing up behind", self.directory):
                self._discard_area(self.directory)
                for area in (area.where for attempt in self.found_dead for area in attempt.areas):
                    self._discard_area(area)
                others = [area for area in areas_of(self.control.attempts, self.attempt.id) if area != self.directory]
                if others or self.published:
                    self._discard_others([*others, *self.published])
        except DiropsError as error:
            log.warning("%s; the next run of this stage removes what is left of this one", error)

    def _discard_area(self, area: Path) -> None:
        # A replaced snapshot that could not be retired stays: the next run does it.
        if swapped_out(area) is None:
            discard(self.control, area)

    def _discard_others(self, areas: list[Path]) -> None:
        """What other processes of this attempt left; where one is at work yet, the next claim or clean-up does it."""
        with self.control.locked(f"{self.attempt.run}, try {self.attempt.try_number}"):
            for area in areas:
                if not isinstance(lock := AliveLock.take(area), LeftAlone):
                    try:
                        self._discard_area(area)
                    finally:
                        lock.release()
            # What whoever made the claim had found dead, and counted on.
            for attempt in take_dead(self.control, lambda *_: None):
                if attempt.id < self.attempt.id:
                    attempt.discard()
                attempt.release()


def claim_target(control: ControlDirectory, attempt: Attempt, terms: Terms) -> ClaimedTarget:
    """Claim a target for an attempt.

    :raises AttemptSuperseded: if a newer try of the same run has claimed it already.
    :raises TargetRefused: if what is there is not ours, or another stage's, or another mapped instance's of
        this very run.
    :raises TargetBusy: if the lock cannot be had.
    """
    control.create()
    check_same_device(control.target, control.path)
    full = terms.full
    with control.locked(f"{attempt.run}, try {attempt.try_number}"):
        finish_swap(control)
        adoption = control.read_adoption()
        base = read_base(control.target, terms, adoption)
        control.forget_outlived_removal(base.snapshot if base else None)
        replaces_unmanaged = base is None and not is_vacant(control.target)
        if adoption and not adoption.is_for(base.snapshot if base else None, last_changed(control.target)):
            # What it was for is not there any more, as after a commit that died before it could remove it.
            control.forget_adoption()
            adoption = None
        let_as_of = adoption.changed_ns if adoption and "unmanaged" not in terms.may_replace else None
        fence = control.read_fence()
        refuse_sibling(str(control.target), attempt.run, base.attempt if base else None, fence)
        attempt = numbered(attempt, fence)
        fenced = claiming_row(str(control.target), attempt, fence)
        control.write_fence(fence, {attempt.run.fence_key: fenced})
        if was_cleared(attempt, fenced, base) and not full:
            log.info("%s had committed and was cleared, so everything is made again", attempt.run)
            full = True
        dead = _sort_out(control, attempt, fenced, terms.fingerprint, full=full)
        try:
            directory = control.attempts / attempt.id
            alive = begin_in(directory, attempt, terms, full=full)
        except BaseException:
            release_all(dead)
            raise
    claim = ClaimedTarget(
        control=control,
        attempt=attempt,
        terms=terms,
        base=base,
        directory=directory,
        fenced=fenced,
        alive=alive,
        full=full,
        replaces_unmanaged=replaces_unmanaged,
        let_as_of=let_as_of,
        adoption=adoption,
        found_dead=dead,
    )
    with claim.or_released():
        remove_rest(control, seconds=_CLEANING_SECONDS)
    return claim


def _sort_out(
    control: ControlDirectory, attempt: Attempt, fenced: FencedRun, fingerprint: str | None, *, full: bool
) -> list[DeadAttempt]:
    if fingerprint is None:
        for dead in take_dead(control, warn_of(control)):
            dead.release()
        return []
    return sort_out(
        control,
        is_useful=lambda owner: owner.fingerprint == fingerprint,
        is_reusable=lambda owner: can_reuse(owner, attempt, fenced, fingerprint, full=full),
    )


def begin_in(directory: Path, attempt: Attempt, terms: Terms, *, full: bool, shard: int | None = None) -> AliveLock:
    """Make the staging area of this process, and hold the lock that says that it is at work."""
    with storage_errors("making the staging area", directory):
        make_shared_directory(directory)
    alive = AliveLock.take(directory)
    if isinstance(alive, LeftAlone):
        raise AttemptSuperseded(f"another process already works in {str(directory)!r}")
    try:
        write_owner(directory, owner_here(attempt, terms.fingerprint or "", full=full, shard=shard))
    except BaseException:
        alive.release()
        raise
    return alive
