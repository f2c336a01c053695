"""A dry run: say what a stage would do with each input and why, and write nothing near the target."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import cached_property
from heapq import merge
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple, get_args

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import remaining_storage_errors
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.entries import order_of, path_at
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place import Terms
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.preflight import check_target, read_base
from airflow_dirops.core.plan.draw_up import draw_up, is_own, list_inputs
from airflow_dirops.core.plan.emptiness import empty_source
from airflow_dirops.core.plan.losses import LossGuard
from airflow_dirops.core.plan.plan import Loss, Plan, Reason
from airflow_dirops.core.plan.readiness import Readiness
from airflow_dirops.core.plan.recorded import recorded_inputs
from airflow_dirops.core.report.changes import Change, why_code
from airflow_dirops.core.report.outcome import Outcome
from airflow_dirops.core.snapshot.opening import open_snapshot
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.source.opening import check_readable, open_sources
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.work.aggregate import Aggregation

log = logger(__name__)

Fate = Reason | Literal["carried", "removed"]
_FATES = (*get_args(Reason), "carried", "removed")

_MAX_LOGGED = 100


class PlannedInput(NamedTuple):
    """One input, and what a run would do about it.

    :param path: relative to the source.
    :param reason: why it would run: ``new``, ``changed``, ``code``, ``missing``, ``retry`` or ``redo``; or that it
        would not: ``carried`` over, or ``removed`` from the source.
    """

    path: str
    reason: Fate


class PlannedInputs(Iterator[PlannedInput]):
    """Every input that is or was in the source of a stage, in order and one at a time.

    :param on_objection: is told at the end why a run would be refused.
    """

    def __init__(self, stage: Stage, on_objection: Callable[[str], None]) -> None:
        self._changes: list[tuple[Change, ...] | None] = []
        self._inputs = _iter_dry(stage, self._changes.append, on_objection)

    def __next__(self) -> PlannedInput:
        return next(self._inputs)

    def close(self) -> None:
        """Let go of the source before the end."""
        self._inputs.close()

    @property
    def code_changes(self) -> tuple[Change, ...] | None:
        """What of the code has changed, as far as it is known; None if nothing has.

        Known from the first input on.
        """
        return self._changes[0] if self._changes else None


def _iter_dry(
    stage: Stage, note_changes: Callable[[tuple[Change, ...] | None], None], on_objection: Callable[[str], None]
) -> Generator[PlannedInput]:
    with (
        remaining_storage_errors(stage.target),
        closing(open_sources(stage)) as source,
        _preview(stage, source) as preview,
    ):
        note_changes(preview.code_changes)
        total = 0
        for planned in preview.fates():
            total += planned.reason != "removed"
            yield planned
        for objection in preview.objections(total):
            on_objection(objection)


def warn_of_objection(objection: str) -> None:
    log.warning("a run would be refused: %s", objection)


def dry_run(stage: Stage) -> Outcome:
    """Log what would run and why, and count it.

    :raises SourceEmpty: where the run itself would.
    """
    began = time.monotonic()
    if stage.source_is_planned:
        log.info("the source has only been planned as well, so this is the plan for what is in it now")
    with closing(open_sources(stage)) as source:
        check_readable(stage, source)
        return _dry_run(stage, source, began)


def _dry_run(stage: Stage, source: Source, began: float) -> Outcome:
    with _preview(stage, source) as preview:
        counts = _told(preview.fates())
        total = sum(counts.values()) - counts["removed"]
        if total == 0 and stage.empty == "fail":
            raise empty_source(source)
        for objection in preview.objections(total):
            warn_of_objection(objection)
        base = preview.base
        changes = preview.code_changes or () if counts["code"] else ()
    log.info("a dry run, nothing is written: %d inputs in %s: %s", total, source.path, _described(counts))
    if counts["code"]:
        log.info("%s", why_code(counts["code"], changes, may_be_accepted=stage.aggregate is None))
    outcome = Outcome.of(
        "planned",
        os.fspath(stage.target),
        base.manifest if base else None,
        stage=stage.name,
        partition=stage.partition,
        seconds=time.monotonic() - began,
        code_changes=changes,
    )
    by_reason = {fate: counts[fate] for fate in _FATES}
    return replace(outcome, counts={"inputs": total, "ignored": source.ignored, **by_reason})


@contextmanager
def _preview(stage: Stage, source: Source) -> Iterator[_OfEach | _OfOne]:
    target = check_target(stage.target, [single.path for single in source.singles])
    with ExitStack() as stack:
        # A hidden name, in case the source is what temporary directories are made in.
        spill = Path(stack.enter_context(TemporaryDirectory(prefix=".dirops-plan-")))
        base = _open_base(stage, target)
        if base is not None:
            stack.enter_context(base)
        yield (_OfOne if _is_aggregate(stage, base) else _OfEach)(stage, source, target, base, spill)


def _is_aggregate(stage: Stage, base: Snapshot | None) -> bool:
    if stage.functions or base is None:
        return stage.aggregate is not None
    return base.manifest.inputs_digest is not None


def _open_base(stage: Stage, target: Path) -> Snapshot | None:
    terms = Terms(
        stage=stage.name,
        limit=stage.limit,
        replace_unmanaged=stage.replace_unmanaged,
        # Where no function gives the stage a name, the plan is for whichever made the base.
        take_over_stage=stage.take_over_stage or not stage.name,
    )
    base = read_base(target, terms)
    return open_snapshot({"target": os.fspath(target), "snapshot": base.snapshot}) if base else None


class _Preview(ABC):
    def __init__(self, stage: Stage, source: Source, target: Path, base: Snapshot | None, spill: Path) -> None:
        self._stage = stage
        self._source = source
        self._target = target
        self.base = base
        self._spill = spill
        self._readiness = Readiness(stage, source)

    def objections(self, total: int) -> Iterator[str]:
        """Why a run would be refused.

        :param total: how many inputs there are.
        """
        if total or self._stage.empty == "commit":
            yield from self._objections_to(self._looked_at())
        elif self._stage.empty == "fail":
            yield str(empty_source(self._source))

    @property
    @abstractmethod
    def code_changes(self) -> tuple[Change, ...] | None:
        """What of the code has changed, as far as it is known; None if nothing has."""

    @abstractmethod
    def fates(self) -> Iterator[PlannedInput]:
        """What would become of each input."""

    @abstractmethod
    def _looked_at(self) -> Loss:
        """Look at the inputs that would run; returns what would go."""

    def _objections_to(self, loss: Loss) -> Iterator[str]:
        guard = LossGuard(
            self._stage, self._source, ControlDirectory(self._target), self.base.manifest if self.base else None
        )
        if reason := guard.objection(loss):
            yield reason
        if (fault := self._readiness.fault) and self._stage.on_error == "fail":
            yield str(fault)


class _OfOne(_Preview):
    """Everything runs, or nothing."""

    @property
    def code_changes(self) -> tuple[Change, ...] | None:
        return self._aggregation.code_changes

    def fates(self) -> Iterator[PlannedInput]:
        reason = self._aggregation.reason
        return (PlannedInput(item.path, reason or "carried") for item in self._aggregation.inputs)

    def _looked_at(self) -> Loss:
        if self._aggregation.has_work:
            self._readiness.look_at(self._aggregation.inputs)
        return self._aggregation.loss

    @cached_property
    def _aggregation(self) -> Aggregation:
        stage = self._stage
        inputs = list_inputs(stage, self._source, self._spill)
        base = self.base if is_own(stage, self.base) or not stage.name else None
        return Aggregation(stage, self._source, inputs, base, _code_of(stage), full=stage.redoes_all)


class _OfEach(_Preview):
    """Each input has a fate of its own."""

    @property
    def code_changes(self) -> tuple[Change, ...] | None:
        return self._plan.code_changes

    def fates(self) -> Iterator[PlannedInput]:
        plan = self._plan
        recorded = plan.recorded
        if recorded is None and self.base is not None:
            recorded = recorded_inputs(self.base, Sorter(self._spill, "dropped"))
        present = ((order_of(planned.input.path), planned.reason or "carried") for planned in plan.walk())
        orders = (order for order, _ in groupby(recorded or (), itemgetter(0)))
        removed = (
            (order, "removed") for order in _only_in_first(orders, (order_of(item.path) for item in plan.inputs))
        )
        both: Iterator[tuple[bytes, Fate]] = merge(present, removed, key=itemgetter(0))  # type: ignore[arg-type]
        return (PlannedInput(path_at(order), fate) for order, fate in both)

    def _looked_at(self) -> Loss:
        self._readiness.survey(self._plan)
        return self._plan.loss

    @cached_property
    def _plan(self) -> Plan:
        stage = self._stage
        return draw_up(stage, self._source, self.base, code=_code_of(stage), spill=self._spill, full=stage.redoes_all)


def _code_of(stage: Stage) -> Code | None:
    return stage.code() if stage.functions else None


def _only_in_first(first: Iterable[bytes], second: Iterable[bytes]) -> Iterator[bytes]:
    """What only the first of two sorted streams has."""
    others = iter(second)
    other = next(others, None)
    for one in first:
        while other is not None and other < one:
            other = next(others, None)
        if one != other:
            yield one


def _told(inputs: Iterable[PlannedInput]) -> Counter[str]:
    counts: Counter[str] = Counter()
    logged = 0
    for path, fate in inputs:
        counts[fate] += 1
        if fate == "carried":
            continue
        logged += 1
        if logged <= _MAX_LOGGED:
            log.info("%s: %s", fate, path)
    if logged > _MAX_LOGGED:
        log.info("and %d more, which iter_plan and 'dirops plan' list", logged - _MAX_LOGGED)
    return counts


def _described(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[fate]} {fate}" for fate in _FATES if counts[fate]) or "nothing"
