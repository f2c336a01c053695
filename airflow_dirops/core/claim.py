"""Claim a target: one attempt says that it means to replace what is there now."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from airflow_dirops.core.attempts import AliveLock, Attempt, Owner, time_of
from airflow_dirops.core.control import ControlDirectory, FencedRun
from airflow_dirops.core.errors import AttemptSuperseded, storage_errors
from airflow_dirops.core.manifest import Manifest
from airflow_dirops.core.preflight import check_same_device, is_vacant, read_base
from airflow_dirops.core.recovery import DeadAttempt, recover, release_all, swapped_out
from airflow_dirops.core.retention import discard, remove_rest
from airflow_dirops.core.rules import refuse_sibling
from airflow_dirops.core.shown import logger

log = logger(__name__)


@dataclass
class Claim:
    """A claim on a target, until it is released.

    :param base: the snapshot that was there when the claim was made.
    :param directory: the attempt's own directory.
    :param fenced: this claim's line in the fence.
    :param dead: what earlier attempts left; ours while we hold their locks.
    """

    control: ControlDirectory
    attempt: Attempt
    base: Manifest | None
    directory: Path
    fenced: FencedRun
    alive: AliveLock
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
        return self._base_try >= self.attempt.first_try_number

    @property
    def was_cleared(self) -> bool:
        """Whether the base was committed by this very run before a user cleared the task."""
        return 0 < self._base_try < self.attempt.first_try_number

    @property
    def _base_try(self) -> int:
        """The try of this run that committed the base; 0 if none did."""
        return self.fenced.committed.get(self.base.snapshot, 0) if self.base else 0

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
    fingerprint: str,
    replace_unmanaged: bool = False,
    take_over_stage: bool = False,
    limit: int | None = None,
) -> Claim:
    """Claim a target for an attempt.

    :param fingerprint: of the user's function; finished files are reused only under the same one.
    :param limit: of a trial run, which must not replace a snapshot of all inputs.
    :raises AttemptSuperseded: if a newer try of the same run has claimed it already.
    :raises TargetRefused: if what is there is not ours, or another stage's, or another mapped instance's of
        this very run.
    :raises TargetBusy: if the lock cannot be had.
    """
    control.create()
    check_same_device(control.target, control.path)
    with control.locked(f"{attempt.run}, try {attempt.try_number}"):
        dead = recover(control)
        try:
            base = read_base(
                control.target,
                stage,
                replace_unmanaged=replace_unmanaged,
                take_over_stage=take_over_stage,
                limit=limit,
            )
            refuse_sibling(control.target, attempt.run, base.attempt if base else None, control.read_fence())
            attempt = _numbered(control, attempt)
            fenced = _raise_fence(control, attempt)
            directory, alive = _make_directory(control, attempt, fingerprint)
        except BaseException:
            release_all(dead)
            raise
    return Claim(
        control=control,
        attempt=attempt,
        base=base,
        directory=directory,
        fenced=fenced,
        alive=alive,
        replaces_unmanaged=base is None and not is_vacant(control.target),
        dead=dead,
    )


def check_fence(control: ControlDirectory, attempt: Attempt) -> None:
    """
    :raises AttemptSuperseded: unless the newest claim of this run is this very attempt's.
    """
    newest = control.read_fence().get(attempt.run.fence_key)
    if newest is None or newest.attempt != attempt.id:
        raise AttemptSuperseded(_superseded(control, attempt, newest))


def _numbered(control: ControlDirectory, attempt: Attempt) -> Attempt:
    """The attempt with its number among the tries of its run, where no scheduler has counted them."""
    if attempt.try_number:
        return attempt
    before = control.read_fence().get(attempt.run.fence_key)
    return msgspec.structs.replace(attempt, try_number=before.try_number + 1 if before else 1)


def _raise_fence(control: ControlDirectory, attempt: Attempt) -> FencedRun:
    before = control.read_fence().get(attempt.run.fence_key)
    if before and before.try_number > attempt.try_number and before.ti_id > attempt.ti_id:
        raise AttemptSuperseded(_superseded(control, attempt, before))
    # An older try with a newer id is another incarnation: the run was deleted and made again.
    same_incarnation = before is not None and before.try_number < attempt.try_number
    fenced = FencedRun(
        try_number=attempt.try_number,
        ti_id=attempt.ti_id,
        attempt=attempt.id,
        committed=before.committed if before and same_incarnation else {},
    )
    control.write_fence(attempt.run.fence_key, fenced)
    return fenced


def _make_directory(control: ControlDirectory, attempt: Attempt, fingerprint: str) -> tuple[Path, AliveLock]:
    directory = control.attempts / attempt.id
    with storage_errors("making the staging area", directory):
        directory.mkdir()
    alive = AliveLock.take(directory)
    if alive is None:
        raise AttemptSuperseded(f"another process already works in {str(directory)!r}")
    Owner.this_process(fingerprint).write(directory)
    return directory, alive


def _superseded(control: ControlDirectory, attempt: Attempt, newest: FencedRun | None) -> str:
    winner = f"try {newest.try_number}, begun {time_of(newest.attempt)}" if newest else "nobody's: it was removed"
    return (
        f"try {attempt.try_number} of {attempt.run} no longer owns the target {str(control.target)!r}; "
        f"the newest claim is {winner}. Nothing of this try was committed; leave the target to the newer one"
    )
