"""The whole story of a stage: claim the target, plan, stage file by file, seal, commit, retire."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place.claim import Claim, Lost, Unknown
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.place.staging import Sealing
from airflow_dirops.core.places import place_of
from airflow_dirops.core.plan.context import RunContext
from airflow_dirops.core.plan.decided import Decided
from airflow_dirops.core.plan.draw_up import code_of, may_accept_code, terms_of
from airflow_dirops.core.plan.emptiness import (
    empty_source,
    is_nothing,
    nothing_made,
    what_is_there,
    why_empty,
    why_nothing_made,
)
from airflow_dirops.core.plan.losses import LossGuard
from airflow_dirops.core.plan.readiness import Readiness
from airflow_dirops.core.report.changes import Change, why_code
from airflow_dirops.core.report.outcome import Outcome, OutcomeName, Reporter
from airflow_dirops.core.report.progress_bar import shown_progress
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.snapshot.strays import warn_of_strays
from airflow_dirops.core.source.opening import check_readable, open_sources
from airflow_dirops.core.source.source import Source, describe_source
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.work.work import Work, draw_up_work

log = logger(__name__)


def run_stage(stage: Stage) -> Outcome:
    """Run one stage: its target is then one new snapshot, or the one it was."""
    began = time.monotonic()
    with closing(open_sources(stage)) as source:
        check_readable(stage, source)
        place = place_of(stage.target)
        place.check(os.fspath(single.path) for single in source.singles)
        code = code_of(stage)
        terms = terms_of(stage, code)
        with place.claim(stage.attempt or Attempt.outside_airflow(stage.name, stage.run), terms) as claim:
            outcome = _Attempt(stage, source, place, claim, code, began).finish()
    _log_end(outcome, place.name)
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


class _Attempt:
    """A stage that holds its claim."""

    def __init__(
        self, stage: Stage, source: Source, place: Place, claim: Claim, code: Code | None, began: float
    ) -> None:
        self._stage = stage
        self._source = source
        self._place = place
        self._claim = claim
        self._code = code or Code("")
        self._began = began
        base = claim.base
        self._decided = Decided(place.triage(), base.snapshot if base else None)

    def finish(self) -> Outcome:
        """Plan, stage, seal, commit, retire."""
        with ExitStack() as opened:
            run = self._open(opened)
            readiness, losses = Readiness(run), LossGuard(run, self._place)
            work = draw_up_work(run, readiness)
            changes = self._log_work(work)
            if work.total == 0 and self._stage.empty != "commit":
                return self._empty()
            if not work.has_work:
                return self._nothing_new()
            losses.check_planned(work.loss)
            self._claim.check_replaceable()
            readiness.check(self._claim.free_bytes())
            reporter = Reporter(
                work.total, opened.enter_context(shown_progress(self._stage.on_progress, self._stage.name))
            )
            staging = opened.enter_context(self._claim.stage(self._stage.durability))
            staging.expect(1 if work.seen else work.total)
            if not work.run(staging, reporter):
                return self._nothing_new()
            sealed = staging.seal(self._sealing(work))
            if work.is_same(sealed):
                return self._nothing_new()
            if is_nothing(sealed.counts) and self._stage.empty != "commit":
                return self._nothing_made(sealed, work.inputs)
            losses.check_sealed(sealed)
            if run.base is not None:
                warn_of_strays(run.base, self._claim.where_replaced(), run.sorter)
        self._commit(sealed)
        losses.forget_permission()
        self._forget_retries()
        self._claim.retire(self._stage.retention or Retention())
        return self._outcome("committed", sealed, reporter, code_changes=changes)

    def _open(self, opened: ExitStack) -> RunContext:
        held = self._claim.hold_base()
        return RunContext(
            stage=self._stage,
            source=self._source,
            base=opened.enter_context(Snapshot(held)) if held else None,
            code=self._code,
            full=self._claim.full,
            sorter=self._claim.sorter,
            dead=self._claim.dead,
            decided=self._decided,
            open_replacement=self._place.open_replacement,
        )

    def _log_work(self, work: Work) -> Sequence[Change]:
        """Say what will be done; returns what of the code has changed, where inputs run for that."""
        why = " (this run had committed and was cleared)" if self._claim.full and not self._stage.redoes_all else ""
        log.info("%d inputs in %s: %s%s", work.total, self._source.path, work.describe(), why)
        if not work.by_code:
            return ()
        changes = work.code_changes or ()
        log.info("%s", why_code(work.by_code, changes, may_be_accepted=may_accept_code(self._stage, self._claim.base)))
        return changes

    def _commit(self, sealed: Manifest) -> None:
        match self._claim.commit(sealed, self._stage.on_conflict):
            case Lost(error) | Unknown(error):
                raise error

    def _empty(self) -> Outcome:
        if self._stage.empty == "fail":
            raise empty_source(self._source)
        if there := what_is_there(self._stage, self._source):
            log.warning("%s is skipped, though something is there: %s", self._stage.name, there)
        return self._outcome("skipped", self._claim.base, reason=why_empty(self._source))

    def _nothing_made(self, made: Manifest, inputs: Iterable[Input]) -> Outcome:
        if self._stage.empty == "fail":
            raise nothing_made(self._stage, self._source, made.counts, inputs)
        reason = why_nothing_made(self._stage, self._source, made.counts)
        return self._outcome("skipped", self._claim.base, reason=reason)

    def _nothing_new(self) -> Outcome:
        self._forget_retries()
        # The earlier try died before it could say that it had committed, so this one says it.
        return self._outcome("committed" if self._claim.committed_before else "unchanged", self._claim.base)

    def _forget_retries(self) -> None:
        """They were for once; what is left of them is for a snapshot that was replaced, and harmless."""
        if not self._decided.has_retries:
            return
        try:
            self._place.amend_triage(lambda decisions: [each for each in decisions if each.action != "retry"])
        except DiropsError as error:
            log.warning("which inputs were to be retried could not be forgotten: %s", error)

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
            dimensions=self._stage.dimensions,
            seconds=time.monotonic() - self._began,
            done=reporter.done if reporter else None,
            reason=reason,
            code_changes=code_changes,
        )

    def _sealing(self, work: Work) -> Sealing:
        return Sealing(
            stage=self._stage,
            code=self._code,
            attempt=self._claim.attempt,
            base=self._claim.base,
            sources=tuple(describe_source(each, self._place.name) for each in self._source.described),
            partitions=tuple(self._source.partitions()),
            ignored=self._source.ignored,
            began=self._began,
            planned=work.total,
            unmatched=self._source.list_unmatched(),
            seen=work.seen,
        )
