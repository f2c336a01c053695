"""Take one planned input after the other: carry it over, reuse it, or run it; and decide what a failure means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, Self

from airflow_dirops.core.disk.held import HeldDirectory
from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import KeyRefused
from airflow_dirops.core.format.entries import Input, order_of
from airflow_dirops.core.format.lines import LineDecoder, encode_line
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory.alive import read_owner
from airflow_dirops.core.places.directory.holder import boot_id
from airflow_dirops.core.places.directory.recovery import DeadAttempt
from airflow_dirops.core.plan.plan import Loss, Plan, Planned
from airflow_dirops.core.report.changes import Change
from airflow_dirops.core.report.outcome import Reporter
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.staging.area import StagingArea
from airflow_dirops.core.work.crew import make_crew
from airflow_dirops.core.work.quarantine import Quarantine
from airflow_dirops.core.work.refusals import Refusals
from airflow_dirops.core.work.worker import Result

log = logger(__name__)

Done = Literal["computed", "carried", "reused", "quarantined"]


class EachInput:
    """What a stage has to do that works on one input after the other."""

    seen = None

    def __init__(self, stage: Stage, source: Source, plan: Plan, dead: list[DeadAttempt], spill: Path) -> None:
        self._stage = stage
        self._source = source
        self._plan = plan
        self._dead = dead
        self._spill = spill

    @property
    def total(self) -> int:
        return self._plan.total

    @property
    def inputs(self) -> Iterable[Input]:
        return self._plan.inputs

    @property
    def has_work(self) -> bool:
        return self._plan.has_work

    @property
    def loss(self) -> Loss:
        return self._plan.loss

    def is_same(self, manifest: Manifest) -> bool:  # noqa: ARG002 - known before anything is sealed
        return False

    @property
    def code_changes(self) -> tuple[Change, ...] | None:
        return self._plan.code_changes

    @property
    def by_code(self) -> int:
        return self._plan.reasons["code"]

    def describe(self) -> str:
        return self._plan.describe()

    def run(self, staging: StagingArea, reporter: Reporter) -> bool:
        """Stage every input; returns whether that gave anything new."""
        with Steps(self._stage, self._source, staging, self._plan, self._dead, self._spill, reporter) as steps:
            for planned in self._plan.passes():
                steps.take(planned)
                if not steps.is_new:
                    break
            steps.settle()
        return steps.is_new


class Steps:
    """Does what the plan says, and counts it.

    :param dead: the dead attempts whose finished files the plan refers to by number.
    :param spill: where inputs wait that are tried again.
    """

    def __init__(
        self,
        stage: Stage,
        source: Source,
        staging: StagingArea,
        plan: Plan,
        dead: list[DeadAttempt],
        spill: Path,
        reporter: Reporter,
    ) -> None:
        self._stage = stage
        self._staging = staging
        self._plan = plan
        self._dead = [_DeadTree(attempt) for attempt in dead]
        self._spill = spill
        self._reporter = reporter
        self._refusals = Refusals(stage, staging)
        self._crew = make_crew(stage, source, staging, spill)
        self._quarantine = Quarantine(stage, staging, plan.total)
        self.is_new = not plan.only_retries
        """Whether anything came of it that the base does not have."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # First: worker processes are forked before anything here starts a thread.
            stack.enter_context(self._crew)
            for tree in self._dead:
                stack.callback(tree.close)
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
        for tries in range(1, self._stage.file_retries + 2):
            again = Sorter(self._spill, f"try-{tries + 1}")
            for result in self._crew.run(inputs):
                self._note(result, tries, again)
                del result  # its error would hold on to the value while the next one is made
            if self._crew.may_have_left_parts:
                self._staging.drop_unlisted(self._spill)
            inputs = (_decode_input(line) for _, line in again)
        self._refusals.raise_all()

    def settle(self) -> None:
        """
        :raises TooManyFailures: if more failed than is allowed.
        """
        self._quarantine.settle()

    def _keep_or_give(self, planned: Iterator[Planned]) -> Iterator[Input]:
        """The inputs that must be computed; the others are carried over or reused on the way."""
        for one in planned:
            try:
                kept = self._keep(one)
            except KeyRefused as error:
                self._refusals.note(one.input.path, error)
                continue
            if kept:
                self._count(kept, one.input)
            else:
                yield one.input

    def _keep(self, planned: Planned) -> Done | None:
        if planned.reason is None and planned.line is not None and self._plan.base is not None:
            self._staging.carry_over(planned.line, self._plan.base)
            return "carried"
        if planned.line is not None and planned.dead is not None:
            tree = self._dead[planned.dead]
            if self._staging.take_over(planned.line, tree.directory, is_checked=tree.is_checked):
                return "reused"
        return None

    def _note(self, result: Result, tries: int, again: Sorter) -> None:
        item, error = result.line.input, result.error
        if error is None:
            self._count("computed", item)
        elif isinstance(error, KeyRefused):
            self._refusals.note(item.path, error)
        elif tries <= self._stage.file_retries:
            log.info("%s failed at try %d and is tried again: %s", item.path, tries, error.kind)
            again.add(order_of(item.path), encode_line(item))
        else:
            self._quarantine.take(result.line, error, tries, self._reporter.done["all"])
            self._count("quarantined", item)

    def _count(self, done: Done, item: Input) -> None:
        self.is_new = self.is_new or done != "quarantined"
        self._reporter.count(done, item.path)


class _DeadTree:
    """A dead attempt's tree, opened when the first file is taken from it."""

    def __init__(self, attempt: DeadAttempt) -> None:
        self._attempt = attempt
        self._directory: HeldDirectory | None = None
        owner = read_owner(attempt.directory)
        # After a reboot the kernel may have lost bytes that were written and never synced.
        self.is_checked = owner is not None and owner.boot == boot_id()

    @property
    def directory(self) -> HeldDirectory:
        if self._directory is None:
            self._directory = HeldDirectory.open(self._attempt.directory / "tree")
        return self._directory

    def close(self) -> None:
        if self._directory is not None:
            self._directory.close()


_decode_input = LineDecoder(Input)
