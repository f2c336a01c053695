"""The whole story of a stage: claim the target, plan, stage file by file, seal, check, commit or hold, retire."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, closing

from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.place.claim import Claim
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.place.staging import Sealing
from airflow_dirops.core.places import place_of
from airflow_dirops.core.plan.context import context_of
from airflow_dirops.core.plan.draw_up import code_of, terms_of
from airflow_dirops.core.plan.emptiness import is_nothing
from airflow_dirops.core.plan.ending import Ending, log_end
from airflow_dirops.core.plan.losses import LossGuard
from airflow_dirops.core.plan.readiness import Readiness
from airflow_dirops.core.report.changes import told
from airflow_dirops.core.report.outcome import Outcome, Reporter
from airflow_dirops.core.report.progress_bar import shown_progress
from airflow_dirops.core.snapshot.strays import warn_of_strays
from airflow_dirops.core.source.opening import check_readable, open_sources
from airflow_dirops.core.source.source import Source, describe_source
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.work.work import Work, draw_up_work, log_work


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
    log_end(outcome, place.name)
    return outcome


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
        self._ending = Ending(stage, claim, place, began)

    def finish(self) -> Outcome:
        """Plan, stage, seal, commit, retire."""
        ending = self._ending
        with ExitStack() as opened:
            run = opened.enter_context(context_of(self._stage, self._source, self._place, self._claim, self._code))
            readiness, losses = Readiness(run), LossGuard.of(run, self._place)
            work = draw_up_work(run, readiness)
            changes = log_work(run, self._claim, work)
            if work.total == 0 and self._stage.empty != "commit":
                return ending.empty(self._source)
            if not work.has_work:
                return ending.nothing_new()
            losses.check_planned(work.loss)
            self._claim.check_replaceable()
            readiness.check(self._claim.free_bytes())
            reporter = Reporter(
                work.total, opened.enter_context(shown_progress(self._stage.on_progress, self._stage.name))
            )
            staging = opened.enter_context(self._claim.stage(self._stage.durability))
            staging.expect(1 if work.seen else work.total)
            if not work.run(staging, reporter):
                return ending.nothing_new()
            sealed = staging.seal(self._sealing(work))
            if work.is_same(sealed):
                return ending.nothing_new()
            if is_nothing(sealed.counts) and self._stage.empty != "commit":
                return ending.nothing_made(sealed, str(self._source.path), work.inputs)
            losses.check_sealed(sealed)
            if run.base is not None:
                warn_of_strays(run.base, self._claim.where_replaced(), run.sorter)
        published = ending.publish(sealed, losses)
        return ending.published(published, done=reporter.done, code_changes=told(changes))

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
