"""A dry run: say what a stage would do with each input and why, and write nothing near the target."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import remaining_storage_errors
from airflow_dirops.core.messages.first_few import FirstFew
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.places import place_of
from airflow_dirops.core.plan.context import RunContext
from airflow_dirops.core.plan.decided import Decided
from airflow_dirops.core.plan.draw_up import code_of, may_accept_code, terms_of
from airflow_dirops.core.plan.emptiness import empty_source
from airflow_dirops.core.plan.losses import LossGuard
from airflow_dirops.core.plan.plan import FATES, PlannedInput
from airflow_dirops.core.plan.readiness import Readiness
from airflow_dirops.core.report.changes import Change, told, why_code
from airflow_dirops.core.report.outcome import Outcome
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.source.opening import check_readable, open_sources
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.work.work import draw_up_work

log = logger(__name__)


_MAX_LOGGED = 100


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
    """Say why a run would end before it begins."""
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
        may_be_accepted = may_accept_code(stage, base.manifest if base else None)
        log.info("%s", why_code(counts["code"], changes, may_be_accepted=may_be_accepted))
    outcome = Outcome.of(
        "planned",
        os.fspath(stage.target),
        base.manifest if base else None,
        stage=stage.name,
        partition=stage.partition,
        dimensions=stage.dimensions,
        seconds=time.monotonic() - began,
        code_changes=told(changes),
    )
    by_reason = {fate: counts[fate] for fate in FATES}
    return replace(outcome, counts={"inputs": total, "ignored": source.ignored, **by_reason})


@contextmanager
def _preview(stage: Stage, source: Source) -> Iterator[_Preview]:
    place = place_of(stage.target)
    place.check(os.fspath(single.path) for single in source.singles)
    with ExitStack() as opened:
        # A hidden name, in case the source is what temporary directories are made in.
        scratch = Path(opened.enter_context(TemporaryDirectory(prefix=".dirops-plan-")))
        code = code_of(stage)
        # Where no function gives the stage a name, the plan is for whichever made the base.
        terms = terms_of(stage, code)
        if not stage.name:
            terms = replace(terms, may_replace={*stage.may_replace, "other_stage"})
        held = place.look(terms)
        run = RunContext(
            stage=stage,
            source=source,
            base=opened.enter_context(Snapshot(held)) if held else None,
            code=code,
            full=stage.redoes_all,
            sorter=partial(Sorter, scratch),
            decided=Decided(place.triage(), held.manifest.snapshot if held else None),
        )
        yield _Preview(run, place)


class _Preview:
    """A run that never claims its target."""

    def __init__(self, run: RunContext, place: Place) -> None:
        self._stage = run.stage
        self._source = run.source
        self._place = place
        self._run = run
        self.base = run.base
        self._readiness = Readiness(run)
        self._work = draw_up_work(run, self._readiness)

    @property
    def code_changes(self) -> tuple[Change, ...] | None:
        """What of the code has changed, as far as it is known; None if nothing has."""
        return self._work.code_changes

    def fates(self) -> Iterator[PlannedInput]:
        """What would become of each input."""
        return self._work.fates()

    def objections(self, total: int) -> Iterator[str]:
        """Why a run would be refused.

        :param total: how many inputs there are.
        """
        if total or self._stage.empty == "commit":
            yield from self._objections_to_work()
        elif self._stage.empty == "fail":
            yield str(empty_source(self._source))

    def _objections_to_work(self) -> Iterator[str]:
        _ = self._work.has_work  # which looks at the inputs
        if reason := LossGuard.of(self._run, self._place).objection(self._work.loss):
            yield reason
        if (fault := self._readiness.fault) and self._stage.on_error == "fail":
            yield str(fault)


def _told(inputs: Iterable[PlannedInput]) -> Counter[str]:
    counts: Counter[str] = Counter()
    logged = FirstFew[str](_MAX_LOGGED)
    for path, fate in inputs:
        counts[fate] += 1
        if fate != "carried" and logged.add(path):
            log.info("%s: %s", fate, path)
    if more := logged.more:
        log.info("%s, which iter_plan and 'dirops plan' list", more)
    return counts


def _described(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[fate]} {fate}" for fate in FATES if counts[fate]) or "nothing"
