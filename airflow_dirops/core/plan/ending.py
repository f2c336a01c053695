"""How a run ends: what it says of itself, whether or not anything was committed."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from airflow_dirops.core.checks.audit import audit
from airflow_dirops.core.errors import CheckFailed, DiropsError
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.messages.shown import logger, shown
from airflow_dirops.core.place.claim import Claim, Committed, Lost, Unknown
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.plan.decided import Decided
from airflow_dirops.core.plan.emptiness import (
    empty_source,
    nothing_made,
    what_is_there,
    why_empty,
    why_nothing_made,
)
from airflow_dirops.core.plan.losses import LossGuard
from airflow_dirops.core.report.outcome import Outcome, OutcomeName
from airflow_dirops.core.rules.publishing import is_same_work, waiting
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.core.stage.stage import Stage

log = logger(__name__)

_MOST_OF_A_REASON = 1_000


class Published(NamedTuple):
    """What became of a sealed snapshot.

    :param manifest: what was committed or is held; of what is the same as a snapshot that is held already, that one.
    :param reason: why it is held, where that was not asked for.
    """

    manifest: Manifest
    outcome: OutcomeName
    reason: str | None = None


@dataclass(frozen=True)
class Ending:
    """The ways in which a run that holds a claim can end.

    :param began: when it did, on the monotonic clock.
    """

    stage: Stage
    claim: Claim
    place: Place
    began: float

    def publish(self, sealed: Manifest, losses: LossGuard) -> Published:
        """Let the checks look at what was sealed; then commit it, or hold it.

        :raises CheckFailed: if a check found something, and that is not what it is held for.
        :raises ConflictError: if somebody else has committed.
        :raises CommitUnknown: if it cannot be told.
        """
        try:
            audit(self.stage, self.claim, self.place.name)
        except CheckFailed as failed:
            if self.stage.publish != "if_passed":
                raise
            found = "; ".join(failed.findings)
            log.warning("the snapshot did not pass its checks, so it is held: %s", found)
            return Published(self._hold(sealed), "held", shown(found, _MOST_OF_A_REASON))
        if self.stage.publish == "hold":
            return Published(self._hold(sealed), "held")
        _settled(self.claim.commit(sealed, self.stage.on_conflict))
        losses.forget_permission()
        self.forget_retries()
        self.claim.retire(self.stage.retention or Retention())
        return Published(sealed, "committed")

    def published(self, what: Published, *, done: Counter[str], code_changes: Sequence[str]) -> Outcome:
        """What :meth:`publish` came to."""
        return self.outcome(what.outcome, what.manifest, done=done, reason=what.reason, code_changes=code_changes)

    def _hold(self, sealed: Manifest) -> Manifest:
        now = time.time()
        held: list[Manifest] = []
        with suppress(DiropsError):  # of somebody else's that cannot be looked at
            held = [each.manifest for each in waiting(self.place.list_held(), now)]
        if same := next((each for each in held if is_same_work(each, sealed)), None):
            log.info("snapshot %s, which is held already, is the same; this one is dropped", same.snapshot)
            return same
        _settled(self.claim.hold_back(sealed, now + self.stage.hold_hours * 3600, self.stage.on_conflict))
        return sealed

    def empty(self, source: Source) -> Outcome:
        """There is no input.

        :raises SourceEmpty: if ``empty="fail"``.
        """
        if self.stage.empty == "fail":
            raise empty_source(source)
        if there := what_is_there(self.stage, source):
            log.warning("%s is skipped, though something is there: %s", self.stage.name, there)
        return self.outcome("skipped", self.claim.base, reason=why_empty(source))

    def nothing_made(self, made: Manifest, where: str, inputs: Iterable[Input]) -> Outcome:
        """No input gave anything.

        :param where: they lie.
        :raises NothingMade: if ``empty="fail"``.
        """
        if self.stage.empty == "fail":
            raise nothing_made(self.stage, where, made.counts, inputs)
        return self.outcome("skipped", self.claim.base, reason=why_nothing_made(self.stage, where, made.counts))

    def nothing_new(self) -> Outcome:
        """What is there is what this run would make."""
        self.forget_retries()
        # The earlier try died before it could say that it had committed, so this one says it.
        return self.outcome("committed" if self.claim.committed_before else "unchanged", self.claim.base)

    def forget_retries(self) -> None:
        """Forget which inputs were to be tried again once; of an older snapshot's that is left, and harmless."""
        try:
            if Decided.on(self.place, self.claim.base).has_retries:
                self.place.amend_triage(lambda decisions: [each for each in decisions if each.action != "retry"])
        except DiropsError as error:
            log.warning("which inputs were to be retried could not be forgotten: %s", error)

    def outcome(
        self,
        outcome: OutcomeName,
        manifest: Manifest | None,
        *,
        done: Counter[str] | None = None,
        reason: str | None = None,
        code_changes: Sequence[str] = (),
    ) -> Outcome:
        return outcome_of(
            self.stage, outcome, manifest, self.began, done=done, reason=reason, code_changes=code_changes
        )


def _settled(how: Committed) -> None:
    match how:
        case Lost(error) | Unknown(error):
            raise error


def outcome_of(
    stage: Stage,
    outcome: OutcomeName,
    manifest: Manifest | None,
    began: float,
    *,
    done: Mapping[str, int] | None = None,
    reason: str | None = None,
    code_changes: Sequence[str] = (),
) -> Outcome:
    """How a run of a stage ended.

    :param began: when, on the monotonic clock.
    :param code_changes: in words.
    """
    return Outcome.of(
        outcome,
        os.fspath(stage.target),
        manifest,
        stage=stage.name,
        partition=stage.partition,
        dimensions=stage.dimensions,
        seconds=time.monotonic() - began,
        done=Counter(done) if done else None,
        reason=reason,
        code_changes=code_changes,
    )


def log_end(outcome: Outcome, target: str) -> None:
    """Say how a run ended, and where to look up what failed.

    :param target: the name of its place.
    """
    counts = ", ".join(f"{count} {name}" for name, count in outcome.counts.items() if count) or "nothing"
    # A task's log folds up what Airflow says of a skipped task: why it was has to be said before.
    said = outcome.reason or counts
    log.info("stage %s %s in %.1f s: %s", outcome.stage, outcome.outcome, outcome.seconds, said)
    if outcome.outcome == "held":
        log.warning(
            "snapshot %s is held, and nobody sees it until somebody publishes it: %s ; or rejects it: %s",
            outcome.snapshot,
            dirops_command("publish", target, options=(f"--snapshot={outcome.snapshot}",)),
            dirops_command("reject", target, options=(f"--snapshot={outcome.snapshot}", "--reason=...")),
        )
    if outcome.counts["quarantined"]:
        log.warning(
            "%d of %d inputs were set aside, since they failed; which and why: %s",
            outcome.counts["quarantined"],
            outcome.counts["inputs"],
            dirops_command("failures", target),
        )
