"""Plan a stage for several processes: one claim, one listing, one plan, cut into parts that each work on alone."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused, remaining_storage_errors
from airflow_dirops.core.format.lines import encode_line
from airflow_dirops.core.format.lists import SkippedLine
from airflow_dirops.core.format.manifest import SourceRecord
from airflow_dirops.core.format.planned import Planned
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.format.shards import (
    MAX_SHARDS,
    PLAN,
    PLAN_FORMAT,
    UNMATCHED,
    PlanRecord,
    Shard,
    SliceRecord,
    slice_name,
)
from airflow_dirops.core.messages.shown import logger, shown
from airflow_dirops.core.place.claim import Claim
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.places import place_of
from airflow_dirops.core.plan.context import RunContext, context_of
from airflow_dirops.core.plan.draw_up import code_of, terms_of
from airflow_dirops.core.plan.ending import Ending, log_end
from airflow_dirops.core.plan.losses import LossGuard
from airflow_dirops.core.plan.readiness import Readiness
from airflow_dirops.core.report.changes import told
from airflow_dirops.core.report.outcome import Outcome
from airflow_dirops.core.sharding.messages import Cut
from airflow_dirops.core.sharding.notes import write_document
from airflow_dirops.core.sharding.slices import Costs, cut_evenly
from airflow_dirops.core.source.opening import check_readable, open_sources
from airflow_dirops.core.source.source import Source, describe_source
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.stops import note_handlers
from airflow_dirops.core.work.steps import EachInput
from airflow_dirops.core.work.work import log_work

log = logger(__name__)

_MAX_KEY = 60


def cut(stage: Stage, shards: int) -> Cut:
    """Plan a stage, and cut the plan into shards.

    The target is claimed, and stays so: whoever has a shard goes on with the claim, and :func:`gather
    <airflow_dirops.core.sharding.gather.gather>` ends it. The source is listed once; all shards see that listing. Call
    it again for the same logical run, as a task is that is cleared or retried, and the plan before is over.

    :param stage: ``attempt``, or ``run``, says for which logical run: that of all shards and of the commit together.
    :param shards: into how many at most; there are never more than inputs to compute.
    :returns: the shards; or, where nothing has to be done, the outcome of the stage. Then the target is not claimed any
        more.
    :raises ArgumentRefused: if the stage aggregates, or that is no number of shards.
    :raises DiropsError: as :func:`~airflow_dirops.core.api.read_directory` before it computes anything.
    """
    note_handlers()
    with remaining_storage_errors(stage.target), planning(stage, shards) as (_, found):
        return found


@contextmanager
def planning(stage: Stage, shards: int, *, while_at_work: bool = False) -> Iterator[tuple[Claim, Cut]]:
    """As :func:`cut`, and hold the claim, the source and the base for as long as the block lasts.

    :param while_at_work: the claim is over when this process ends, and those that go on with it do.
    """
    began = time.monotonic()
    check_can_be_cut(stage, shards)
    with closing(open_sources(stage)) as source:
        check_readable(stage, source)
        place = place_of(stage.target)
        place.check(os.fspath(single.path) for single in source.singles)
        code = code_of(stage)
        attempt = stage.attempt or Attempt.outside_airflow(stage.name, stage.run)
        with place.claim(attempt, terms_of(stage, code)) as claim, context_of(stage, source, place, claim, code) as run:
            found = _Cutter(stage, source, place, claim, run, began).cut(shards)
            if found.outcome is None:
                claim.leave_open(while_at_work=while_at_work)
            else:
                log_end(found.outcome, place.name)
            yield claim, found


def check_can_be_cut(stage: Stage, shards: int) -> None:
    """Refuse what cannot be cut.

    :raises ArgumentRefused: if the stage aggregates, or that is no number of shards.
    """
    if stage.aggregate is not None:
        raise ArgumentRefused(
            f"stage {stage.name} is an aggregate, one call over all records, and cannot be cut into shards; cut the "
            "stage that makes the records, with transform= or read=, and aggregate over its target in a stage without "
            "shards"
        )
    if not stage.functions:
        raise ArgumentRefused("this stage has no function; give transform= or read=")
    check_count(shards)


def check_count(shards: Any) -> None:
    """Refuse what is no number of shards.

    :raises ArgumentRefused: if it is not.
    """
    if isinstance(shards, bool) or not isinstance(shards, int) or not 1 <= shards <= MAX_SHARDS:
        raise ArgumentRefused(f"shards={shards!r} is no count from 1 to {MAX_SHARDS}")


class _Cutter:
    """A stage that holds its claim, before anybody works."""

    def __init__(self, stage: Stage, source: Source, place: Place, claim: Claim, run: RunContext, began: float) -> None:
        self._stage = stage
        self._source = source
        self._place = place
        self._claim = claim
        self._run = run
        self._ending = Ending(stage, claim, place, began)
        self._host = socket.gethostname()

    def cut(self, shards: int) -> Cut:
        costs = Costs()
        readiness, losses = Readiness(self._run), LossGuard.of(self._run, self._place)
        work = EachInput(self._run, readiness, costs.note)
        changes = log_work(self._run, self._claim, work)
        if work.total == 0 and self._stage.empty != "commit":
            return self._ended(self._ending.empty(self._source))
        if not work.has_work:
            return self._ended(self._ending.nothing_new())
        losses.check_planned(work.loss)
        self._claim.check_replaceable()
        readiness.check(self._claim.free_bytes())
        parts = cut_evenly(work.plan.walk(), costs.total, min(shards, max(costs.runs, 1)))
        slices = tuple(self._write_slice(number, part) for number, part in enumerate(parts))
        return self._written(self._plan_of(work, slices, told(changes)))

    def _plan_of(self, work: EachInput, slices: tuple[SliceRecord, ...], code_changes: list[str]) -> PlanRecord:
        survey, stage = work.survey, self._stage
        sources = tuple(describe_source(each, self._place.name) for each in self._source.described)
        unmatched = self._claim.write_note(UNMATCHED, self._left_out(sources))
        return PlanRecord(
            format=PLAN_FORMAT,
            host=self._host,
            stage=stage.name,
            partition=stage.partition,
            limit=stage.limit,
            join=stage.join,
            total=survey.total,
            reasons=dict(survey.reasons),
            removed=survey.removed,
            is_due=survey.is_due,
            ignored=self._source.ignored,
            where=tuple(shown(os.fspath(single.path)) for single in self._source.described),
            sources=sources,
            partitions=tuple(self._source.partitions()),
            dead=tuple(dead.id for dead in self._run.dead),
            slices=slices,
            unmatched=unmatched if unmatched.lines else None,
            code_changes=tuple(code_changes),
        )

    def _left_out(self, sources: tuple[SourceRecord, ...]) -> Iterator[bytes]:
        for item, lacking in self._source.list_unmatched():
            yield encode_line(SkippedLine.left_out(item, lacking, sources))

    def _write_slice(self, number: int, part: Iterator[Planned]) -> SliceRecord:
        first, last, shared = "", "", 0

        def lines() -> Iterator[bytes]:
            nonlocal first, last, shared
            for planned in part:
                shared += planned.shares_key
                last = planned.input.path
                first = first or last
                yield encode_line(planned)

        written = self._claim.write_note(slice_name(number), lines())
        return SliceRecord(list=written, first=shown(first, _MAX_KEY), last=shown(last, _MAX_KEY), shared=shared)

    def _written(self, plan: PlanRecord) -> Cut:
        # Last: a plan that is there is whole.
        digest = write_document(self._claim, PLAN, plan)
        attempt, of = self._claim.attempt.id, len(plan.slices)
        shards = tuple(
            Shard(
                plan=attempt,
                digest=digest,
                shard=number,
                of=of,
                label=f"shard {number}: {part.first}" + (f" … {part.last}" if part.last != part.first else ""),
                host=self._host,
            )
            for number, part in enumerate(plan.slices)
        )
        log.info("%d inputs of stage %s in %d shards", plan.total, plan.stage, of)
        return Cut(attempt, digest, of, self._host, shards=shards)

    def _ended(self, outcome: Outcome) -> Cut:
        return Cut(None, None, 0, self._host, outcome)
