"""The whole story of a stage: claim the target, plan, stage file by file, seal, commit, retire."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing

from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.lists import InputsSeen
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place import Terms
from airflow_dirops.core.places.directory.claim import Claim, claim_target
from airflow_dirops.core.places.directory.commit import commit
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.overlay import check_not_in_lower_layer
from airflow_dirops.core.places.directory.preflight import resolve_target
from airflow_dirops.core.places.directory.retention import drop_expired
from airflow_dirops.core.plan.draw_up import draw_up, is_own, list_inputs
from airflow_dirops.core.plan.emptiness import empty_source, is_nothing, nothing_made, why_empty, why_nothing_made
from airflow_dirops.core.plan.losses import LossGuard
from airflow_dirops.core.plan.readiness import Readiness
from airflow_dirops.core.report.changes import Change, why_code
from airflow_dirops.core.report.outcome import Outcome, OutcomeName, Reporter
from airflow_dirops.core.report.progress_bar import shown_progress
from airflow_dirops.core.snapshot.opening import open_snapshot
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.snapshot.strays import warn_of_strays
from airflow_dirops.core.source.opening import check_readable, open_sources
from airflow_dirops.core.source.source import Source, describe_source
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.staging.area import StagingArea
from airflow_dirops.core.staging.seal import Sealing, seal
from airflow_dirops.core.work.aggregate import Aggregation
from airflow_dirops.core.work.steps import EachInput

log = logger(__name__)


def run_stage(stage: Stage) -> Outcome:
    """Run one stage: its target is then one new snapshot, or the one it was."""
    began = time.monotonic()
    with closing(open_sources(stage)) as source:
        check_readable(stage, source)
        control = ControlDirectory(resolve_target(stage.target, [single.path for single in source.singles]))
        code = stage.code()
        terms = Terms(
            stage=stage.name,
            fingerprint=code.fingerprint,
            replace_unmanaged=stage.replace_unmanaged,
            take_over_stage=stage.take_over_stage,
            limit=stage.limit,
            full=stage.redoes_all,
        )
        with claim_target(control, stage.identify(), terms) as claim:
            outcome = _Run(stage, source, claim, code, began).finish()
    _log_end(outcome, os.path.realpath(control.target))
    return outcome


def _log_end(outcome: Outcome, target: str) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in outcome.counts.items() if count) or "nothing"
    # A task's log folds up what Airflow says of a skipped task: why it was has to be said before.
    said = outcome.reason or counts
    log.info("stage %s %s in %.1f s: %s", outcome.stage, outcome.outcome, outcome.seconds, said)
    if outcome.counts["quarantined"]:
        log.warning(
            "%d of %d inputs were set aside, since they failed; which and why: %s",
            outcome.counts["quarantined"],
            outcome.counts["inputs"],
            dirops_command("failures", target),
        )


class _Run:
    """A stage that holds its claim."""

    def __init__(self, stage: Stage, source: Source, claim: Claim, code: Code, began: float) -> None:
        self._stage = stage
        self._source = source
        self._claim = claim
        self._code = code
        self._began = began
        self._readiness = Readiness(stage, source)
        self._removal = LossGuard(stage, source, claim.control, claim.base)

    def finish(self) -> Outcome:
        """Plan, stage, seal, commit, retire."""
        with ExitStack() as stack:
            base = _open_base(self._claim)
            if base is not None:
                stack.enter_context(base)
            work = self._aggregation(base) if self._stage.aggregate else self._each_input(base)
            why = " (this run had committed and was cleared)" if self._claim.full and not self._stage.redoes_all else ""
            log.info("%d inputs in %s: %s%s", work.total, self._source.path, work.describe(), why)
            changes = self._tell_code(work)
            if work.total == 0 and self._stage.empty != "commit":
                return self._empty()
            if not work.has_work:
                return self._nothing_new()
            self._removal.check_planned(work.loss)
            check_not_in_lower_layer(self._claim.target, self._claim.control.path)
            self._readiness.check(self._claim.control.path, base, self._claim.spill)
            progress = stack.enter_context(shown_progress(self._stage.on_progress, self._stage.name))
            reporter = Reporter(work.total, progress)
            staging = stack.enter_context(
                StagingArea(
                    self._claim.directory,
                    self._claim.alive.touch,
                    durability=self._stage.durability,
                    target=self._claim.target,
                )
            )
            if not work.run(staging, reporter):
                return self._nothing_new()
            manifest = seal(staging, self._sealing(work.total, work.seen))
            if work.is_same(manifest):
                return self._nothing_new()
            if is_nothing(manifest.counts) and self._stage.empty != "commit":
                return self._nothing_made(manifest, work.inputs)
            self._removal.check_sealed(manifest)
            if base is not None:
                warn_of_strays(base, self._claim.control.retired / base.manifest.snapshot, self._claim.spill)
        commit(self._claim, manifest, self._stage.on_conflict)
        self._removal.forget_permission()
        drop_expired(self._claim.control, self._stage.retention)
        return self._outcome("committed", manifest, reporter, code_changes=changes)

    def _tell_code(self, work: Aggregation | EachInput) -> Sequence[Change]:
        """Say what of the code has changed, where inputs run for that."""
        if not work.by_code:
            return ()
        changes = work.code_changes or ()
        log.info("%s", why_code(work.by_code, changes, may_be_accepted=self._stage.aggregate is None))
        return changes

    def _aggregation(self, base: Snapshot | None) -> Aggregation:
        inputs = list_inputs(self._stage, self._source, self._claim.spill)
        base = base if is_own(self._stage, base) else None
        aggregation = Aggregation(self._stage, self._source, inputs, base, self._code, full=self._claim.full)
        if aggregation.has_work:
            self._readiness.look_at(inputs)
        return aggregation

    def _each_input(self, base: Snapshot | None) -> EachInput:
        plan = draw_up(
            self._stage,
            self._source,
            base,
            code=self._code,
            spill=self._claim.spill,
            full=self._claim.full,
            dead=self._claim.reusable,
        )
        self._readiness.survey(plan)
        return EachInput(self._stage, self._source, plan, self._claim.reusable, self._claim.spill)

    def _empty(self) -> Outcome:
        if self._stage.empty == "fail":
            raise empty_source(self._source)
        return self._outcome("skipped", self._claim.base, reason=why_empty(self._source))

    def _nothing_made(self, made: Manifest, inputs: Iterable[Input]) -> Outcome:
        if self._stage.empty == "fail":
            raise nothing_made(self._stage, self._source, made.counts, inputs)
        reason = why_nothing_made(self._stage, self._source, made.counts)
        return self._outcome("skipped", self._claim.base, reason=reason)

    def _nothing_new(self) -> Outcome:
        # The earlier try died before it could say that it had committed, so this one says it.
        return self._outcome("committed" if self._claim.committed_before else "unchanged", self._claim.base)

    def _outcome(
        self,
        outcome: OutcomeName,
        manifest: Manifest | None,
        reporter: Reporter | None = None,
        *,
        reason: str | None = None,
        code_changes: Sequence[Change] = (),
    ) -> Outcome:
        return Outcome.of(
            outcome,
            os.fspath(self._stage.target),
            manifest,
            stage=self._stage.name,
            partition=self._stage.partition,
            seconds=time.monotonic() - self._began,
            done=reporter.done if reporter else None,
            reason=reason,
            code_changes=code_changes,
        )

    def _sealing(self, planned: int, seen: InputsSeen | None) -> Sealing:
        return Sealing(
            stage=self._stage,
            attempt=self._claim.attempt,
            base=self._claim.base,
            spill=self._claim.spill,
            sources=tuple(describe_source(single, self._claim.target) for single in self._source.singles),
            code=self._code,
            ignored=self._source.ignored,
            began=self._began,
            planned=planned,
            unmatched=self._source.list_unmatched(),
            seen=seen,
        )


def _open_base(claim: Claim) -> Snapshot | None:
    if claim.base is None:
        return None
    return open_snapshot({"target": os.fspath(claim.target), "snapshot": claim.base.snapshot})
