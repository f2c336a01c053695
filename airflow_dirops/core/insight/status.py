"""What each partition of each stage is, and what it would take to make all of them whole."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from airflow_dirops.core.errors import DiropsError, ManifestDamaged, ManifestMissing
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.insight.cost import Cost, Rates, total_cost
from airflow_dirops.core.insight.headers import Headers, Seen, Unread, read_headers
from airflow_dirops.core.insight.rows import Row, names_below, rows_of
from airflow_dirops.core.insight.staleness import Reason, Sources, code_reason, source_reasons
from airflow_dirops.core.insight.states import STATES, Expected, PartitionStatus, StageStatus, State, Status, Trouble
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.places import place_of, was_skipped
from airflow_dirops.core.rules.publishing import waiting
from airflow_dirops.core.stage.locations import checked_path
from airflow_dirops.core.stage.partitions import PLACEHOLDER, with_partition

_AHEAD = timedelta(hours=1)


@dataclass
class _Table:
    """All rows, and what has been found out about them so far.

    :param targets: the paths of all snapshots.
    :param states: of each real path that was judged.
    """

    headers: Headers
    expected: Expected | None
    only_expected: bool
    code: Mapping[str, Code]
    rows: list[Row]
    sources: Sources
    targets: set[str]
    states: dict[str, State] = field(default_factory=dict)
    stages: list[StageStatus] = field(default_factory=list)


def status(
    roots: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    expected: Expected | None = None,
    only_expected: bool = False,
    code: Mapping[str, Code] | None = None,
) -> Status:
    """What each partition of each stage below some folders is. One small file is read of each target.

    A partition is expected where a stage that this one reads has it, or the folder that it reads is there; or where
    ``expected`` says so.

    :param roots: one folder, or several.
    :param expected: which partitions a stage should have; such as those of its schedule.
    :param only_expected: leave out all others, of stages of which it is known.
    :param code: what would make the snapshots of a stage now, by its name; else what made its newest one.
    :returns: also what could not be looked at, among its troubles; the rest goes on.
    """
    several = [roots] if isinstance(roots, str | os.PathLike) else [*roots]
    headers = read_headers(several)
    rows = rows_of(headers)
    table = _Table(
        headers=headers,
        expected=expected,
        only_expected=only_expected,
        code=code or {},
        rows=rows,
        sources=Sources(headers.by_place()),
        targets={seen.target for seen in headers.seen},
    )
    for row in rows:
        table.stages.append(_Judge(table, row).stage())
    counts: Counter[State] = Counter()
    for stage in table.stages:
        counts.update(stage.counts)
    return Status(
        roots=tuple(checked_path("root", root) for root in several),
        stages=tuple(table.stages),
        troubles=tuple(_troubles(headers, rows)),
        counts=_in_order(counts),
        cost=total_cost(stage.cost for stage in table.stages),
    )


class _Judge:
    """Says what the partitions of one stage are; those of the stages that it reads are known."""

    def __init__(self, table: _Table, row: Row) -> None:
        self._table = table
        self._row = row
        self._newest = row.newest
        self._rates = Rates.of(row.seen.values())
        self._code, self._whose_code = self._code_now()

    def stage(self) -> StageStatus:
        partitions = tuple(self._partition(name) for name in self._names())
        counts = _in_order(Counter(each.state for each in partitions))
        cost = total_cost(each.cost for each in partitions)
        row = self._row
        return StageStatus(
            stage=row.stage,
            target=row.target,
            dimensions=dict(row.dimensions),
            reads=tuple(row.reads()),
            partitions=partitions,
            counts=counts,
            cost=cost,
            dag_id=self._newest.dag_id if self._newest else "",
        )

    def _names(self) -> list[str]:
        row = self._row
        there = {*row.seen, *row.unread}
        if not row.has_partitions:
            return sorted(there)
        asked = self._table.expected(row.stage, sorted(row.seen)) if self._table.expected else None
        if asked is not None and self._table.only_expected:
            return self._without_others(asked)
        inferred = (name for name in self._names_of_sources() if name in there or not was_skipped(row.path_of(name)))
        return self._without_others(there.union(asked or (), inferred))

    def _without_others(self, names: Iterable[str]) -> list[str]:
        """Names in order, but for those under which another stage has committed."""
        seen, others = self._row.seen, self._table.targets
        return sorted(name for name in names if name in seen or self._row.path_of(name) not in others)

    def _names_of_sources(self) -> Iterator[str]:
        for template in self._row.source_templates():
            if PLACEHOLDER not in template:
                continue
            is_stage = False
            for other in self._table.rows:
                if other is not self._row and _is_at(other, template):
                    is_stage = True
                    yield from other.seen
            if not is_stage:
                yield from names_below(template, self._row.seen)

    def _partition(self, name: str) -> PartitionStatus:
        row = self._row
        seen = row.seen.get(name)
        judged = self._judged(seen) if seen else self._without_header(name, row.unread.get(name))
        real = seen.real if seen else row.unread[name].real if name in row.unread else judged.target
        if judged.state != "unreadable" and (held := _held_at(real)):
            judged = replace(judged, state="held", held=held, detail=_why_held(held, judged), cost=None)
        self._table.states[real] = judged.state
        return replace(judged, at_work=True) if judged.state != "whole" and _is_at_work(real) else judged

    def _judged(self, seen: Seen) -> PartitionStatus:
        reasons = tuple(self._reasons(seen))
        state, detail, cost = self._state(seen, reasons)
        return PartitionStatus(
            target=seen.target,
            partition=seen.partition,
            state=state,
            detail=detail,
            reasons=reasons,
            snapshot=seen.snapshot,
            created=seen.created,
            dag_id=seen.dag_id,
            run_id=seen.run_id,
            inputs=seen.inputs,
            entries=seen.entries,
            bytes=seen.bytes,
            quarantined=seen.quarantined,
            limit=seen.limit,
            cost=cost,
        )

    def _state(self, seen: Seen, reasons: tuple[Reason, ...]) -> tuple[State, str, Cost | None]:
        failed = f"{seen.quarantined} of {seen.inputs} inputs failed" if seen.quarantined else ""
        if seen.limit is not None:
            return "trial", f"a trial run over the first {seen.limit} inputs", self._cost(self._inputs_now(seen))
        if reasons:
            texts = [reason.text for reason in reasons] + [failed] * bool(failed)
            by_code = any(reason.kind == "code" for reason in reasons)
            return "stale", "; ".join(texts), self._cost(self._inputs_now(seen), at_most=not by_code)
        if failed:
            return "quarantined", failed, self._cost(seen.quarantined)
        return "whole", "", None

    def _reasons(self, seen: Seen) -> Iterator[Reason]:
        yield from source_reasons(seen, self._table.sources)
        yield from self._upstream(seen)
        if reason := code_reason(seen, self._table.headers.codes, self._code, self._whose_code):
            yield reason

    def _upstream(self, seen: Seen) -> Iterator[Reason]:
        """What this was made from and will itself be made anew."""
        for path in _paths_read(seen):
            if (state := self._table.states.get(path)) in ("stale", "trial", "damaged"):
                yield Reason("upstream", f"{path} is {state} itself")

    def _code_now(self) -> tuple[Code | None, str]:
        if given := self._table.code.get(self._row.stage):
            return given, "its stage"
        newest = self._newest
        if newest is None or newest.fingerprint is None:
            return None, ""
        whose = f"{newest.partition or newest.target}, the newest one,"
        return self._table.headers.codes.get(newest.fingerprint), whose

    def _without_header(self, name: str, unread: Unread | None) -> PartitionStatus:
        target, partition = self._row.path_of(name), name or None
        if unread is not None and not isinstance(unread.error, ManifestMissing):
            is_damaged = isinstance(unread.error, ManifestDamaged)
            cost = self._cost(self._inputs_of(name)) if is_damaged else None
            state: State = "damaged" if is_damaged else "unreadable"
            return PartitionStatus(unread.target, partition, state, shown(unread.error), cost=cost)
        detail = self._why_absent(name, unread)
        return PartitionStatus(target, partition, "absent", detail, cost=self._cost(self._inputs_of(name)))

    def _why_absent(self, name: str, unread: Unread | None) -> str:
        if unread is not None and (left := place_of(unread.target).remains()):
            return left.removeprefix("; ")
        for template in self._row.source_templates():
            path = with_partition(template, name)
            if self._table.sources.at(path) is None and not os.path.isdir(path):
                return f"there is no {path} to make it from"
        return "no stage has committed it"

    def _inputs_now(self, seen: Seen) -> int | None:
        if seen.rolled_up:
            return None
        return self._inputs_in([source.path for source in seen.sources])

    def _inputs_of(self, name: str) -> int | None:
        return self._inputs_in([with_partition(template, name) for template in self._row.source_templates()])

    def _inputs_in(self, paths: Sequence[str]) -> int | None:
        """How many inputs lie there: what a stage committed, and as many as is usual where none did."""
        found = [self._table.sources.at(path) for path in paths]
        return max((each.entries for each in found if each is not None), default=None)

    def _cost(self, files: int | None, *, at_most: bool = False) -> Cost | None:
        return self._rates.cost(files, at_most=at_most) if self._rates else None


def _held_at(target: str) -> tuple[str, ...]:
    """What waits for a decision there: one listing, where nothing is at work."""
    with suppress(DiropsError, OSError):
        place = place_of(target)
        if place.is_tried():
            return tuple(each.manifest.snapshot for each in waiting(place.list_held(), time.time()))
    return ()


def _why_held(held: Sequence[str], there: PartitionStatus) -> str:
    what = "1 snapshot waits" if len(held) == 1 else f"{len(held)} snapshots wait"
    now = f"; what is there is {there.state}" if there.state != "absent" else ""
    return f"{what} for somebody to publish or reject it{now}{f': {there.detail}' if now and there.detail else ''}"


def _is_at_work(target: str) -> bool:
    with suppress(DiropsError, OSError):
        return any(attempt.is_at_work for attempt in place_of(target).list_attempts())
    return False


def _is_at(row: Row, template: str) -> bool:
    """Whether a row's targets lie at a real path with ``{partition}``."""
    return template in row.real_templates


def _paths_read(seen: Seen) -> Iterator[str]:
    for source in seen.sources:
        if seen.rolled_up:
            yield from (with_partition(source.path, name) for name, *_ in seen.rolled_up)
        else:
            yield source.path


def _troubles(headers: Headers, rows: Sequence[Row]) -> Iterator[Trouble]:
    for path, error in headers.troubles:
        yield Trouble(path, error.kind, shown(error))
    by_target: dict[str, list[str]] = {}
    for row in rows:
        if row.stage:
            by_target.setdefault(row.target, []).append(row.stage)
    for target, stages in by_target.items():
        if len(stages) > 1:
            named = " and ".join(map(repr, sorted(stages)))
            yield Trouble(target, "two-stages", f"the stages {named} have committed there; was one renamed?")
    latest = datetime.now(UTC) + _AHEAD
    for seen in headers.seen:
        if datetime.fromisoformat(seen.created) > latest:
            why = "the clock of a machine is wrong, or was"
            yield Trouble(seen.target, "clock", f"it was committed at {seen.created}, which is yet to come: {why}")


def _in_order(counts: Mapping[State, int]) -> dict[State, int]:
    return {state: counts[state] for state in STATES if counts.get(state)}
