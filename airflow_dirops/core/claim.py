"""Claim a target: one attempt says that it means to replace what is there now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from airflow_dirops.core.attempts import AliveLock, Attempt, LeftAlone, Owner, time_of
from airflow_dirops.core.control import ControlDirectory, FencedRun
from airflow_dirops.core.errors import AttemptSuperseded, storage_errors
from airflow_dirops.core.manifest import Manifest
from airflow_dirops.core.permissions import make_shared_directory
from airflow_dirops.core.preflight import check_same_device, is_vacant, read_base
from airflow_dirops.core.recovery import (
    DeadAttempt,
    finish_swap,
    release_all,
    sort_out,
    swapped_out,
    take_dead,
    warn_of,
)
from airflow_dirops.core.retention import discard, remove_rest
from airflow_dirops.core.rules import can_reuse, next_row, refuse_sibling, try_that_committed, was_cleared
from airflow_dirops.core.shown import logger

log = logger(__name__)

# A claim deletes what dead attempts left for so long; what is left then, the next one deletes.
_CLEANING_SECONDS = 10.0


@dataclass
class Claim:
    """A claim on a target, until it is released.

    :param base: the snapshot that was there when the claim was made.
    :param directory: the attempt's own directory.
    :param fenced: this claim's line in the fence.
    :param full: everything is made anew: the stage says so, or a user cleared a task that had committed.
    :param dead: what earlier attempts left; ours while we hold their locks.
    """

    control: ControlDirectory
    attempt: Attempt
    base: Manifest | None
    directory: Path
    fenced: FencedRun
    alive: AliveLock
    full: bool = False
    replaces_unmanaged: bool = False
    dead: list[DeadAttempt] = field(default_factory=list)

    @property
    def target(self) -> Path:
        return self.control.target

    @property
    def spill(self) -> Path:
        """Where sorted runs go."""
        return self.directory / "sort"

    @property
    def committed_before(self) -> bool:
        """Whether the base was committed by an earlier try that nobody has cleared since."""
        return try_that_committed(self.fenced, self.base) >= self.attempt.first_try_number

    @property
    def reusable(self) -> list[DeadAttempt]:
        """Dead attempts whose finished files may stand for work of this one."""
        return [dead for dead in self.dead if dead.is_reusable]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go. What a failed attempt finished stays for the next one; what is of no more use is removed."""
        if error is None:
            self._discard()
        release_all(self.dead)
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

    def _discard(self) -> None:
        # A replaced snapshot that could not be retired stays: the next run does it.
        if swapped_out(self.directory) is None:
            discard(self.control, self.directory)
        for attempt in self.dead:
            attempt.discard()


def claim_target(
    control: ControlDirectory,
    attempt: Attempt,
    *,
    stage: str,
    fingerprint: str | None,
    replace_unmanaged: bool = False,
    take_over_stage: bool = False,
    limit: int | None = None,
    full: bool = False,
) -> Claim:
    """Claim a target for an attempt.

    :param fingerprint: of the user's function; finished files are reused only under the same one. None where no
        function runs: then what dead attempts finished is left to the next run of the stage.
    :param limit: of a trial run, which must not replace a full snapshot.
    :param full: everything is made anew.
    :raises AttemptSuperseded: if a newer try of the same run has claimed it already.
    :raises TargetRefused: if what is there is not ours, or another stage's, or another mapped instance's of
        this very run.
    :raises TargetBusy: if the lock cannot be had.
    """
    control.create()
    check_same_device(control.target, control.path)
    with control.locked(f"{attempt.run}, try {attempt.try_number}"):
        finish_swap(control)
        base = read_base(
            control.target,
            stage,
            replace_unmanaged=replace_unmanaged,
            take_over_stage=take_over_stage,
            limit=limit,
        )
        control.forget_outlived_removal(base.snapshot if base else None)
        fence = control.read_fence()
        refuse_sibling(control.target, attempt.run, base.attempt if base else None, fence)
        attempt = _numbered(attempt, fence)
        fenced = _raise_fence(control, attempt, fence)
        if was_cleared(attempt, fenced, base) and not full:
            log.info("%s had committed and was cleared, so everything is made again", attempt.run)
            full = True
        dead = _sort_out(control, attempt, fenced, fingerprint, full=full)
        try:
            directory, alive = _make_directory(control, attempt, fingerprint, full=full)
        except BaseException:
            release_all(dead)
            raise
    claim = Claim(
        control=control,
        attempt=attempt,
        base=base,
        directory=directory,
        fenced=fenced,
        alive=alive,
        full=full,
        replaces_unmanaged=base is None and not is_vacant(control.target),
        dead=dead,
    )
    with claim.or_released():
        remove_rest(control, seconds=_CLEANING_SECONDS)
    return claim


def check_fence(control: ControlDirectory, attempt: Attempt, fence: Mapping[str, FencedRun]) -> None:
    """
    :raises AttemptSuperseded: unless the newest claim of this run is this very attempt's.
    """
    newest = fence.get(attempt.run.fence_key)
    if newest is None or newest.attempt != attempt.id:
        raise AttemptSuperseded(_superseded(control, attempt, newest))


def _numbered(attempt: Attempt, fence: Mapping[str, FencedRun]) -> Attempt:
    """The attempt with its number among the tries of its run, where no scheduler has counted them."""
    if attempt.try_number:
        return attempt
    before = fence.get(attempt.run.fence_key)
    return msgspec.structs.replace(attempt, try_number=before.try_number + 1 if before else 1)


def _raise_fence(control: ControlDirectory, attempt: Attempt, fence: Mapping[str, FencedRun]) -> FencedRun:
    before = fence.get(attempt.run.fence_key)
    row = next_row(attempt, before)
    if row is None:
        raise AttemptSuperseded(_superseded(control, attempt, before))
    control.write_fence(fence, {attempt.run.fence_key: row})
    return row


def _sort_out(
    control: ControlDirectory, attempt: Attempt, fenced: FencedRun, fingerprint: str | None, *, full: bool
) -> list[DeadAttempt]:
    if fingerprint is None:
        for dead in take_dead(control, warn_of(control)):
            dead.lock.release()
        return []
    return sort_out(
        control,
        is_useful=lambda owner: owner.fingerprint == fingerprint,
        is_reusable=lambda owner: can_reuse(owner, attempt, fenced, fingerprint, full=full),
    )


def _make_directory(
    control: ControlDirectory, attempt: Attempt, fingerprint: str | None, *, full: bool
) -> tuple[Path, AliveLock]:
    directory = control.attempts / attempt.id
    with storage_errors("making the staging area", directory):
        make_shared_directory(directory)
    alive = AliveLock.take(directory)
    if isinstance(alive, LeftAlone):
        raise AttemptSuperseded(f"another process already works in {str(directory)!r}")
    Owner.this_process(attempt, fingerprint or "", full=full).write(directory)
    return directory, alive


def _superseded(control: ControlDirectory, attempt: Attempt, newest: FencedRun | None) -> str:
    winner = f"try {newest.try_number}, begun {time_of(newest.attempt)}" if newest else "nobody's: it was removed"
    return (
        f"try {attempt.try_number} of {attempt.run} no longer owns the target {str(control.target)!r}; "
        f"the newest claim is {winner}. Nothing of this try was committed; leave the target to the newer one"
    )
