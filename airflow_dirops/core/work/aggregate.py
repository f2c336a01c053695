"""One function over all the records of a source, read one after the other: many inputs into one entry, or some."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property, partial
from itertools import chain

from airflow_dirops.core.errors import DiropsError, RecordFailed, SetupError, environment_error, storage_failure
from airflow_dirops.core.format.entries import EVERY_INPUT, Input
from airflow_dirops.core.format.lists import InputsSeen
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.planned import Reason
from airflow_dirops.core.messages.tracebacks import sentence
from airflow_dirops.core.place.staging import Staging
from airflow_dirops.core.plan.context import RunContext
from airflow_dirops.core.plan.plan import Loss, PlannedInput, is_there
from airflow_dirops.core.plan.readiness import Readiness
from airflow_dirops.core.processes.home import Home
from airflow_dirops.core.report.changes import Change
from airflow_dirops.core.report.outcome import Reporter
from airflow_dirops.core.snapshot.record import Record, Taken
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.functions import Pair, UserFunction, records_of
from airflow_dirops.core.stops import is_stop
from airflow_dirops.core.work.quarantine import Quarantine
from airflow_dirops.core.work.worker import Result, Worker


class Aggregation:
    """What a stage with ``aggregate=`` has to do: everything, or nothing."""

    def __init__(self, run: RunContext, readiness: Readiness) -> None:
        self._run = run
        self._stage = run.stage
        self._source = run.source
        self._base = run.own_base
        self._readiness = readiness
        self.inputs = run.list_inputs()
        self.seen = InputsSeen.of(self.inputs)

    @property
    def total(self) -> int:
        return self.seen.count

    @cached_property
    def has_work(self) -> bool:
        if self.reason is not None:
            self._readiness.look_at(self.inputs)
        return self.reason is not None

    @property
    def loss(self) -> Loss:
        """How many inputs there are no more; what they become is one."""
        before = self._base.manifest.counts.inputs if self._base else 0
        return Loss(before - self.total, before, "inputs")

    @cached_property
    def reason(self) -> Reason | None:
        """Why everything is aggregated again, if it is."""
        if self._run.full:
            return "redo"
        if self._base is None:
            return "new"
        manifest, verify = self._base.manifest, self._stage.redoes_damaged
        if self._run.code_changes(self._base) is not None:
            return "code"
        if manifest.inputs_digest != self.seen.digest:
            return "changed"
        if not all(is_there(self._base, entry, verify=verify) for entry in self._base.iter_entries()):
            return "missing"
        return "retry" if manifest.counts.quarantined else None

    def fates(self) -> Iterator[PlannedInput]:
        reason = self.reason
        return (PlannedInput(item.path, reason or "carried") for item in self.inputs)

    @property
    def code_changes(self) -> tuple[Change, ...] | None:
        return self._run.code_changes(self._base) if self.reason == "code" else None

    @property
    def by_code(self) -> int:
        return self.total if self.reason == "code" else 0

    def is_same(self, manifest: Manifest) -> bool:
        """Whether what was sealed is what the base holds: inputs that had failed were retried, and failed again."""
        return self.reason == "retry" and self._base is not None and manifest.lists == self._base.manifest.lists

    def describe(self) -> str:
        return f"{self.total} {self.reason}, to aggregate" if self.has_work else "nothing new to aggregate"

    def run(self, staging: Staging, reporter: Reporter) -> bool:
        """Call the function once, with an iterator that reads as it is asked.

        :raises InputError: if an input or the function failed.
        :raises TooManyFailures: if more inputs failed than is allowed.
        """
        worker = Worker(self._stage.recipe, self._source, staging.stage)
        quarantine = Quarantine(self._stage, staging, self.total)
        records = _Records(self._source, worker, reporter, quarantine)
        home = Home()
        function = self._stage.functions[-1]
        try:
            worker.stage(EVERY_INPUT, home.hand_on(self._outputs(function, worker, records, home)))
        except DiropsError:
            raise
        except BaseException as error:
            if is_stop(error):
                raise
            if records.failure is not None:
                raise records.failure from error
            # Without the records that failed it may have had too little to go on with.
            quarantine.settle()
            if found := environment_error(error, self._source.path) or storage_failure(error, self._source.path):
                raise found from error
            raise RecordFailed(
                f"{function.name} failed on the records of {str(self._source.path)!r} (stage {self._stage.name}): "
                f"{sentence(error)} Mend the function"
            ) from error
        quarantine.settle()
        return True

    def _outputs(self, function: UserFunction, worker: Worker, records: _Records, home: Home) -> Iterator[Pair]:
        stream = _only_at(home, chain.from_iterable(map(records.of, self.inputs)))
        answer = function(stream, lambda name: worker.offered(name, EVERY_INPUT, ""))
        yield from records_of(answer, _key_for(function))
        if records.failure is not None:
            # The function caught what its own iterator had raised, and went on without the rest.
            raise records.failure


class _Records:
    """Reads one input after the other; what fails goes into the quarantine, or ends it all."""

    def __init__(self, source: Source, worker: Worker, reporter: Reporter, quarantine: Quarantine) -> None:
        self._source = source
        self._worker = worker
        self._reporter = reporter
        self._quarantine = quarantine
        self.failure: BaseException | None = None

    def of(self, item: Input) -> Iterator[Record]:
        with ExitStack() as opened:
            read = self._worker.caught(item, partial(self._read, item, opened))
            if not isinstance(read, Result):
                self._reporter.count("computed", item.path)
                yield from read
                return
        try:
            if read.error is not None:
                self._quarantine.admit(read.line, read.error, 1, self._reporter.done["all"])
        except DiropsError as error:
            self.failure = error
            raise
        self._reporter.count("quarantined", item.path)

    def _read(self, item: Input, opened: ExitStack) -> Iterator[Record]:
        # All records of one input at once: most have one, and a failure must come before any was handed out.
        path = self._worker.paths(item, opened)
        own = self._worker.records(item)
        entry = [one and one.entry for one in own] if isinstance(own, list) else own.entry
        partition = None if isinstance(own, list) else own.partition
        waiting = deque(Record(key, entry, Taken(path, value), partition) for key, value in self._worker.read(item))
        self._source.check(item)
        return _taken_out(waiting)


def _only_at(home: Home, records: Iterator[Record]) -> Iterator[Record]:
    """A child shares the place in the list of inputs: what it read, this process would miss."""
    while True:
        if not home.is_here:
            raise SetupError(
                "the records of an aggregate can be read only in the process that runs it; "
                "read them there, and hand their values to processes of your own"
            )
        try:
            record = next(records)
        except StopIteration:
            return
        yield record
        del record


def _taken_out(records: deque[Record]) -> Iterator[Record]:
    """Nobody here holds on to a value while the next one is read."""
    while records:
        yield records.popleft()


def _key_for(function: UserFunction) -> str:
    """What a function makes of all inputs is named as it is."""
    name = re.sub(r"\W+", "_", function.name.rpartition(".")[2]).strip("_")
    return "aggregate" if name == "lambda" else name
