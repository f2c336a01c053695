"""Gather what the shards of a plan have sealed: one snapshot, one commit."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from typing import Any

from airflow_dirops.core.errors import CommitUnknown, DiropsError, remaining_storage_errors
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.entries import Input, order_of
from airflow_dirops.core.format.lines import LineDecoder, encode_line
from airflow_dirops.core.format.lists import FILES, QUARANTINE, SKIPPED, QuarantineLine, SealedFile, SkippedLine
from airflow_dirops.core.format.manifest import ListName, Manifest
from airflow_dirops.core.format.shards import PlanRecord, SealedRecord, SealedShard, shard_missing
from airflow_dirops.core.messages.grouping import Groups
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place.claim import Claim
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.place.staging import Gathered, Sealing, Staging, Totals
from airflow_dirops.core.places import place_of
from airflow_dirops.core.plan.draw_up import code_of
from airflow_dirops.core.plan.emptiness import is_nothing
from airflow_dirops.core.plan.ending import Ending, log_end, outcome_of
from airflow_dirops.core.plan.losses import LossGuard
from airflow_dirops.core.report.outcome import Outcome
from airflow_dirops.core.sharding.going_on import go_on, held_by, kept_commit_of, survey_of, with_advice
from airflow_dirops.core.sharding.merging import Stream, merged
from airflow_dirops.core.sharding.messages import Cut
from airflow_dirops.core.sharding.notes import (
    check_asked,
    check_whole,
    iter_sealed,
    iter_slice,
    iter_unmatched,
    read_plan,
    read_seal,
)
from airflow_dirops.core.sharding.results import checked_results
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.snapshot.strays import warn_of_strays
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.stops import note_handlers
from airflow_dirops.core.work.quarantine import too_many_failures
from airflow_dirops.core.work.refusals import MAX_REFUSALS, keys_wanted_twice

log = logger(__name__)


def gather(
    stage: Stage, cut: Cut | Mapping[str, Any], sealed: Iterable[SealedShard | Mapping[str, Any] | None]
) -> Outcome:
    """Commit what all shards of a plan have made, as the one snapshot that a stage without shards would make.

    Names are taken, not bytes. What no message names does not exist, and is removed. Call it again after it was killed,
    whenever that was: it goes on, or says what it had committed.

    :param stage: the same that was cut, with the same code. How many failures are allowed, and what happens on a
        conflict, is what this one says.
    :param cut: what :func:`~airflow_dirops.core.sharding.cut.cut` returned, or its plain values. Where there was
        nothing to do, its outcome is returned.
    :param sealed: what :func:`~airflow_dirops.core.sharding.shard.work_shard` returned for each shard, in any order;
        where there are several of one shard, any is as good as another. None stands for no result.
    :raises ShardMissing: with each shard that has no result for this plan, or whose result is not there.
    :raises PlanSuperseded: if there is a newer plan for this run, or this one is over.
    :raises TooManyFailures: if more inputs of all shards together failed than is allowed.
    :raises KeyRefused: if records of two shards want one name; names the inputs of both.
    :raises DiropsError: else as a stage without shards; the target is untouched then.
    """
    note_handlers()
    with remaining_storage_errors(stage.target):
        return _gather(stage, Cut.of_message(cut), sealed)


def _gather(stage: Stage, given: Cut, sealed: Iterable[SealedShard | Mapping[str, Any] | None]) -> Outcome:
    began = time.monotonic()
    if given.outcome is not None:
        return given.outcome
    plan_id, digest = given.plan or "", given.digest or ""
    results = checked_results(plan_id, given.of, sealed)
    try:
        place, claim = go_on(stage, code_of(stage), plan_id, given.host)
        with claim:
            outcome = gather_under(claim, place, stage, plan_id, digest, given.host, results, began)
    except CommitUnknown:
        raise
    except DiropsError:
        # A try before this one may have committed, or one beside it, and what this one needs went with that.
        place = place_of(stage.target)
        if made := kept_commit_of(place, plan_id):
            log.info("another try had committed snapshot %s already", made.snapshot)
            outcome = outcome_of(stage, "committed", made, began)
        elif made := held_by(place, plan_id):
            log.info("another try had held snapshot %s already", made.snapshot)
            outcome = outcome_of(stage, "held", made, began)
        else:
            raise
    log_end(outcome, os.fspath(stage.target))
    return outcome


def gather_under(
    claim: Claim,
    place: Place,
    stage: Stage,
    plan_id: str,
    digest: str,
    host: str,
    results: Sequence[SealedShard],
    began: float,
) -> Outcome:
    """As :func:`gather`, in a process that holds a claim of the attempt.

    :param results: one for each shard, in order.
    """
    plan = read_plan(claim, plan_id, digest, host)
    check_asked(plan, stage)
    sealed = [(result, read_seal(claim, result, digest)) for result in results]
    check_whole(plan, [record.inputs for _, record in sealed])
    return _Gathering(claim, place, stage, plan_id, plan, sealed, began).finish()


class _Gathering:
    """What all shards of a plan have sealed, under a claim."""

    def __init__(
        self,
        claim: Claim,
        place: Place,
        stage: Stage,
        plan_id: str,
        plan: PlanRecord,
        sealed: list[tuple[SealedShard, SealedRecord]],
        began: float,
    ) -> None:
        self._claim = claim
        self._place = place
        self._stage = stage
        self._plan_id = plan_id
        self._plan = plan
        self._sealed = sealed
        self._began = began
        self._done: Counter[str] = sum((Counter(record.done) for _, record in sealed), Counter())

    def finish(self) -> Outcome:
        """Seal, commit, retire."""
        stage, claim, plan = self._stage, self._claim, self._plan
        ending, losses = (
            Ending(stage, claim, self._place, self._began),
            LossGuard(stage, claim.base, self._place, plan.where),
        )
        self._check_failures()
        if self._has_nothing_new():
            return ending.nothing_new()
        with claim.stage(stage.durability) as staging:
            made = self._seal(staging)
            if is_nothing(made.counts) and stage.empty != "commit":
                return ending.nothing_made(made, plan.where[0], self._inputs())
            losses.check_sealed(made)
            self._warn_of_strays()
        with with_advice():
            published = ending.publish(made, losses)
        return ending.published(published, done=self._done, code_changes=plan.code_changes)

    def _check_failures(self) -> None:
        failed = sum(record.lists[QUARANTINE].lines for _, record in self._sealed)
        if failed <= self._stage.allowed_failures(self._plan.total):
            return
        groups = Groups()
        for _, line in merged(self._streams(QUARANTINE, QuarantineLine)):
            groups.add(line.path, line)
        raise too_many_failures(self._stage, failed, self._plan.total, groups)

    def _has_nothing_new(self) -> bool:
        """Whether failed inputs were tried again, nothing else, and they failed again."""
        return survey_of(self._plan).only_retries and not any(
            self._done[name] for name in ("computed", "reused", "decided")
        )

    def _inputs(self) -> Iterator[Input]:
        slices = (iter_slice(self._claim, self._plan_id, self._plan, number) for number in range(len(self._sealed)))
        return (planned.input for planned in chain.from_iterable(slices))

    def _warn_of_strays(self) -> None:
        if held := self._claim.hold_base():
            with closing(Snapshot(held)) as base:
                warn_of_strays(base, self._claim.where_replaced(), self._claim.sorter)

    def _seal(self, staging: Staging) -> Manifest:
        plan, stage = self._plan, self._stage
        unmatched = plan.unmatched.lines if plan.unmatched else 0
        totals = Totals(
            inputs=sum(record.inputs for _, record in self._sealed),
            bytes=sum(record.bytes for _, record in self._sealed),
            one_to_one=all(record.one_to_one for _, record in self._sealed),
            unmatched=unmatched,
        )
        sealing = Sealing(
            stage=stage,
            code=code_of(stage) or Code(""),
            attempt=self._claim.attempt,
            base=self._claim.base,
            sources=plan.sources,
            partitions=plan.partitions,
            ignored=plan.ignored,
            began=self._began,
            planned=plan.total,
        )
        lists: dict[ListName, Iterable[bytes]] = {
            SKIPPED: self._lines(SKIPPED, SkippedLine, self._unmatched()),
            QUARANTINE: self._lines(QUARANTINE, QuarantineLine),
        }
        return staging.gather(self._files(), lists, sealing, totals)

    def _files(self) -> Iterator[Gathered]:
        """The files of all shards in order, no path twice.

        :raises KeyRefused: after the last one, with every path that two of them want.
        """
        before = None
        refused: list[tuple[SealedFile, SealedFile]] = []
        for order, gathered in merged(self._streams_of_files()):
            if before is not None and order == before[0]:
                refused.append((before[1].file, gathered.file))
                if len(refused) >= MAX_REFUSALS:
                    break
                continue
            before = order, gathered
            yield gathered
        if refused:
            raise keys_wanted_twice(self._stage, refused)

    def _streams_of_files(self) -> Iterator[Stream[Gathered]]:
        return (
            Stream(record.first.get(FILES, b""), partial(self._files_of, result, record))
            for result, record in self._sealed
            if record.lists[FILES].lines
        )

    def _files_of(self, result: SealedShard, record: SealedRecord) -> Iterator[tuple[bytes, Gathered]]:
        area = self._claim.left_by(result.area)
        if area is None:
            raise shard_missing(result.shard, f"its staging area {result.area} is gone")
        try:
            for line in self._list_of(FILES, SealedFile, result, record):
                yield order_of(line.path), Gathered(line, result.shard, area)
        finally:
            area.close()

    def _lines(self, name: ListName, kind: type[Any], *more: Stream[Any]) -> Iterator[bytes]:
        return (encode_line(line) for _, line in merged(chain(self._streams(name, kind), more)))

    def _streams(self, name: ListName, kind: type[Any]) -> Iterator[Stream[Any]]:
        def ordered(result: SealedShard, record: SealedRecord) -> Iterator[tuple[bytes, Any]]:
            return ((order_of(line.path), line) for line in self._list_of(name, kind, result, record))

        return (
            Stream(record.first.get(name, b""), partial(ordered, result, record))
            for result, record in self._sealed
            if record.lists[name].lines
        )

    def _list_of(self, name: ListName, kind: type[Any], result: SealedShard, record: SealedRecord) -> Iterator[Any]:
        return iter_sealed(self._claim, result, name, record.lists[name], LineDecoder(kind))

    def _unmatched(self) -> Stream[Any]:
        def opened() -> Iterator[tuple[bytes, Any]]:
            unmatched = iter_unmatched(self._claim, self._plan_id, self._plan)
            return ((order_of(line.path), line) for line in unmatched)

        return Stream(b"", opened)
