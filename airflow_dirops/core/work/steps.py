"""Take one planned input after the other: carry it over, reuse it, or run it; and decide what a failure means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import cached_property
from typing import Literal, Self

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import KeyRefused
from airflow_dirops.core.format.entries import Input, order_of
from airflow_dirops.core.format.journal import JournalLine
from airflow_dirops.core.format.lines import LineDecoder, encode_line
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.planned import Planned
from airflow_dirops.core.format.triage import Decision
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.messages.tracebacks import kind_of
from airflow_dirops.core.place.staging import Staging
from airflow_dirops.core.plan.context import RunContext
from airflow_dirops.core.plan.draw_up import draw_up
from airflow_dirops.core.plan.plan import Loss, PlannedInput, Survey
from airflow_dirops.core.plan.readiness import Readiness
from airflow_dirops.core.plan.recorded import recorded_inputs
from airflow_dirops.core.report.changes import Change
from airflow_dirops.core.report.outcome import Reporter
from airflow_dirops.core.work.crew import make_crew
from airflow_dirops.core.work.quarantine import Quarantine
from airflow_dirops.core.work.refusals import Refusals
from airflow_dirops.core.work.worker import Result

log = logger(__name__)

Fate = Literal["computed", "carried", "reused", "quarantined", "decided"]


class EachInput:
    """What a stage has to do that works on one input after the other.

    :param note: is told of every input, once, before any work.
    """

    seen = None

    def __init__(self, run: RunContext, readiness: Readiness, note: Callable[[Planned], None] | None = None) -> None:
        self._run = run
        self.plan = draw_up(run)
        self._readiness = readiness
        self._note = note

    @cached_property
    def survey(self) -> Survey:
        return self._readiness.survey(self.plan, self._note)

    @property
    def total(self) -> int:
        return self.survey.total

    @property
    def inputs(self) -> Iterable[Input]:
        return self.plan.inputs

    @property
    def has_work(self) -> bool:
        return self.survey.has_work

    @property
    def loss(self) -> Loss:
        return self.survey.loss

    def fates(self) -> Iterator[PlannedInput]:
        recorded = self.plan.recorded
        if recorded is None and self._run.base is not None:
            recorded = recorded_inputs(self._run.base, self._run.sorter("dropped"))
        return self.plan.fates(recorded)

    def is_same(self, manifest: Manifest) -> bool:  # noqa: ARG002 - known before anything is sealed
        return False

    @property
    def code_changes(self) -> tuple[Change, ...] | None:
        return self.plan.code_changes

    @property
    def by_code(self) -> int:
        return self.survey.reasons.get("code", 0)

    def describe(self) -> str:
        return self.survey.describe()

    def run(self, staging: Staging, reporter: Reporter) -> bool:
        with Steps(self._run, staging, self.survey, reporter) as steps:
            for planned in self.plan.passes(self.survey):
                steps.take(planned)
                if not steps.is_new:
                    break
            steps.settle()
        return steps.is_new


class Steps:
    """Does what a plan says, and counts it."""

    def __init__(self, run: RunContext, staging: Staging, survey: Survey, reporter: Reporter) -> None:
        self._run = run
        self._staging = staging
        self._dead = {dead.id: dead for dead in run.dead}
        self._reporter = reporter
        self._refusals = Refusals(run.stage, staging)
        self._crew = make_crew(run.stage, run.source, staging)
        self._quarantine = Quarantine(run.stage, staging, survey.total)
        self.is_new = not survey.only_retries
        """Whether anything came of it that the base does not have."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # First: worker processes are forked before anything here starts a thread.
            stack.enter_context(self._crew)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, planned: Iterator[Planned]) -> None:
        """Take these inputs: carry over, reuse, or compute; those that fail are tried again after all others.

        :raises KeyRefused: with every record that cannot be named.
        :raises InputError: if an input failed and ``on_error="fail"``.
        :raises TooManyFailures: if so many failed that the others would tell nothing new.
        """
        inputs = self._keep_or_give(planned)
        for tries in range(1, self._run.stage.file_retries + 2):
            again = self._run.sorter(f"try-{tries + 1}")
            for result in self._crew.run(inputs):
                self._note(result, tries, again)
                del result  # its error would hold on to the value while the next one is made
            if self._crew.may_have_left_parts:
                self._staging.drop_unlisted()
            inputs = (_decode_input(line) for _, line in again)
        self._refusals.raise_all()

    def settle(self) -> None:
        """Every input has been tried.

        :raises TooManyFailures: if more failed than is allowed.
        """
        self._quarantine.settle()

    def _keep_or_give(self, planned: Iterator[Planned]) -> Iterator[Input]:
        """The inputs that must be computed; the others are carried over or reused on the way."""
        for one in planned:
            try:
                kept = self._keep(one)
            except KeyRefused as error:
                self._refusals.add(one.input.path, error)
                continue
            if kept:
                self._count(kept, one.input)
            else:
                yield one.input

    def _keep(self, planned: Planned) -> Fate | None:
        if planned.decision is not None:
            self._decide(planned.input, planned.decision)
            return "carried" if planned.reason is None else "decided"
        line, base = planned.line, self._run.base
        if planned.reason is None and line is not None and base is not None:
            self._staging.keep(line, base.held)
            return "carried"
        dead = self._dead.get(planned.dead or "")
        if line is not None and dead is not None and self._staging.reuse(line, dead):
            return "reused"
        return None

    def _decide(self, item: Input, decision: Decision) -> None:
        """Do what a person has said is to become of an input."""
        if decision.action != "replace" or decision.replacement is None:
            self._staging.note(JournalLine(item, "skipped", note=decision.note))
            return
        codec = self._run.stage.output_codec
        with self._run.open_replacement(decision.replacement) as file:
            value = codec.decode(file)
        self._staging.stage(JournalLine(item, note=decision.note), iter([(item.key, value)]), codec)

    def _note(self, result: Result, tries: int, again: Sorter) -> None:
        item, error = result.line.input, result.error
        if error is None:
            self._count("computed", item)
        elif isinstance(error, KeyRefused):
            self._refusals.add(item.path, error)
        elif tries <= self._run.stage.file_retries:
            log.info("%s failed at try %d and is tried again: %s", item.path, tries, kind_of(error))
            again.add(order_of(item.path), encode_line(item))
        else:
            self._quarantine.admit(result.line, error, tries, self._reporter.done["all"])
            self._count("quarantined", item)

    def _count(self, fate: Fate, item: Input) -> None:
        self.is_new = self.is_new or fate != "quarantined"
        self._reporter.count(fate, item.path)


_decode_input = LineDecoder(Input)
