"""Work on one shard of a plan: a stage over a slice, in a staging area of its own, whose result is a message."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace as replaced
from typing import Any

import msgspec

from airflow_dirops.core.errors import ArgumentRefused, SourceChanged, remaining_storage_errors
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.entries import order_of
from airflow_dirops.core.format.planned import Planned
from airflow_dirops.core.format.shards import SEAL, PlanRecord, SealedRecord, SealedShard, Shard
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place.claim import Claim
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.place.staging import Leftover
from airflow_dirops.core.plan.context import RunContext, context_of
from airflow_dirops.core.plan.draw_up import code_of
from airflow_dirops.core.plan.following import Follower
from airflow_dirops.core.plan.plan import finished_as
from airflow_dirops.core.plan.recorded import finished_inputs
from airflow_dirops.core.report.outcome import Reporter
from airflow_dirops.core.report.progress_bar import shown_progress
from airflow_dirops.core.sharding.going_on import go_on, survey_of, unless_committed, with_advice
from airflow_dirops.core.sharding.notes import check_asked, iter_slice, read_plan, write_document
from airflow_dirops.core.source.opening import check_readable, open_sources
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.partitions import Partitions
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.stops import note_handlers
from airflow_dirops.core.work.steps import Steps

log = logger(__name__)


def work_shard(stage: Stage, shard: Shard | Mapping[str, Any]) -> dict[str, Any]:
    """Do the work of one shard.

    What an earlier try of this shard finished is not done again, dead or not: two tries at once do not disturb each
    other, and of their results any one will do.

    :param stage: the same that was cut, with the same code; ``workers``, ``on_progress`` and the like are this
        process's own. ``attempt`` and ``run`` do not matter: the plan says whose it is.
    :param shard: one of :attr:`Cut.shards <airflow_dirops.core.sharding.messages.Cut.shards>`, or its plain values.
    :returns: what :func:`~airflow_dirops.core.sharding.gather.gather` wants of it: plain values of some 250 bytes.
    :raises PlanSuperseded: if there is a newer plan for this run, or this one has been committed.
    :raises PlanDamaged: if the plan cannot be read, or was made for another partition or trial.
    :raises PlanNotSeen: if this machine does not see it.
    :raises DiropsError: as a stage without shards; more failures than the whole stage allows end it here already.
    """
    return work_planned(stage, Shard.of_message(shard), code_of(stage))


def work_planned(stage: Stage, given: Shard, code: Code | None) -> dict[str, Any]:
    """As :func:`work_shard`.

    :param code: the functions' own, where this process may not find their source.
    """
    note_handlers()
    over = unless_committed(stage, given.plan)
    with over, remaining_storage_errors(stage.target), with_advice(), ExitStack() as opened:
        place, claim = go_on(stage, code, given.plan, given.host, shard=given.shard)
        opened.enter_context(claim)
        plan = read_plan(claim, given.plan, given.digest, given.host)
        check_asked(plan, stage)
        if given.shard >= len(plan.slices):
            raise ArgumentRefused(f"there is no shard {given.shard} in a plan of {len(plan.slices)}")
        source = opened.enter_context(closing(_as_planned(stage, plan)))
        sealed = _Shard(given, stage, source, place, claim, plan).work()
        claim.leave_open()
    log.info("shard %d of %d of stage %s is finished: %s", given.shard, given.of, stage.name, sealed)
    return sealed.to_dict()


class _Shard:
    """One shard, under its claim."""

    def __init__(
        self, given: Shard, stage: Stage, source: Source, place: Place, claim: Claim, plan: PlanRecord
    ) -> None:
        self._given = given
        self._stage = stage
        self._source = source
        self._place = place
        self._claim = claim
        self._plan = plan

    def work(self) -> SealedShard:
        claim, stage, number = self._claim, self._stage, self._given.shard
        earlier = [other for other in claim.others if other.shard == number]
        dead = [left for area in self._plan.dead if (left := claim.left_by(area))]
        total = self._plan.slices[number].list.lines
        with ExitStack() as opened:
            run = opened.enter_context(context_of(stage, self._source, self._place, claim, None, [*dead, *earlier]))
            reporter = Reporter(total, opened.enter_context(shown_progress(stage.on_progress, stage.name)))
            staging = opened.enter_context(claim.stage(stage.durability))
            self._compute(run, earlier, Steps(run, staging, survey_of(self._plan), reporter))
            sealed = staging.seal_shard(total, claim.write_note)
        told = {name: reporter.done[name] for name in ("computed", "carried", "reused", "quarantined")}
        record = SealedRecord(
            plan=self._given.digest,
            shard=number,
            inputs=sealed.totals.inputs,
            bytes=sealed.totals.bytes,
            one_to_one=sealed.totals.one_to_one,
            done=told | {"decided": reporter.done["decided"]},
            lists=sealed.lists,
            first=sealed.first,
        )
        return SealedShard(
            plan=self._given.plan,
            shard=number,
            area=claim.area,
            digest=write_document(claim, SEAL, record),
            host=socket.gethostname(),
            **told,
        )

    def _compute(self, run: RunContext, earlier: list[Leftover], steps: Steps) -> None:
        finished = finished_inputs(earlier, run.sorter("finished"))
        is_shared = self._plan.slices[self._given.shard].shared > 0
        with steps:
            # First those that may want one name: if two of them do, the rest is not worth doing.
            for shares_key in (True, False) if is_shared else (None,):
                beside = Follower(finished)
                steps.take(
                    _reusing(planned, beside)
                    for planned in self._slice()
                    if shares_key is None or planned.shares_key == shares_key
                )
            steps.settle()

    def _slice(self) -> Iterator[Planned]:
        return iter_slice(self._claim, self._given.plan, self._plan, self._given.shard)


def _reusing(planned: Planned, finished: Follower[tuple[str, Any]]) -> Planned:
    """An input as an earlier try of this shard has left it, if it was through."""
    if planned.reason is None:
        return planned
    line, area = finished_as(planned.input, finished.at(order_of(planned.input.path)))
    return planned if line is None else msgspec.structs.replace(planned, line=line, dead=area)


def _as_planned(stage: Stage, plan: PlanRecord) -> Source:
    """The source as the plan has seen it; a bare directory is not listed again.

    :raises SourceChanged: if it is something else by now.
    """
    snapshots: dict[str, str] = {}
    asked = stage.sources[0]
    if isinstance(asked, Partitions):
        there = {each.partition: each.snapshot for each in plan.partitions if each.snapshot}
        stage = replaced(stage, source=replaced(asked, names=tuple(there)))
        snapshots = {each.path: there[each.name] for each in asked if each.name in there}
    else:
        seen = zip(stage.sources, plan.sources, strict=False)
        snapshots = {where: record.snapshot for where, record in seen if isinstance(where, str) and record.snapshot}
    source = open_sources(stage, snapshots)
    now = [single.snapshot is not None for single in source.described]
    if not plan.partitions and now != [record.snapshot is not None for record in plan.sources]:
        source.close()
        raise SourceChanged(
            f"the source of stage {stage.name} is another one than when it was planned: {', '.join(plan.where)}"
        )
    check_readable(stage, source)
    return source
