"""Who does the work on the inputs: this process, or worker processes beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol, Self

import msgspec

from airflow_dirops.core.errors import InputError, RecordFailed, SourceChanged
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.journal import Failure, JournalLine
from airflow_dirops.core.format.lines import LineDecoder, encode_line
from airflow_dirops.core.place.staging import Staging
from airflow_dirops.core.processes import Done, Lost, WorkerPool, pack_error, unpack_error
from airflow_dirops.core.processes.cpus import available_cpus
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.recipe import Recipe
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.work.batches import BatchWorker, batched
from airflow_dirops.core.work.worker import Result, Worker, Write, named, remedy


class Crew(Protocol):
    """Works on inputs; entered before the first thread of this process starts."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def run(self, inputs: Iterable[Input]) -> Iterator[Result]:
        """Work on every input, in any order; what one gave is staged when its result comes."""

    @property
    def may_have_left_parts(self) -> bool:
        """Whether somebody died, so that files may be half written."""


def make_crew(stage: Stage, source: Source, staging: Staging) -> Crew:
    """One process where one is enough: a second one only costs, unless it must be killed at times."""
    count = available_cpus() if stage.workers == "auto" else stage.workers
    if count == 1 and stage.file_timeout is None:
        return InProcess(stage, source, staging)
    return Workers(stage, source, staging, count)


class InProcess:
    """The functions run in this very process: nothing is copied, and a debugger sees them."""

    may_have_left_parts = False

    def __init__(self, stage: Stage, source: Source, staging: Staging) -> None:
        self._worker = _make_worker(stage.recipe, source, staging.stage)
        self._batch_size = stage.batch_size or 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nobody to send home."""

    def run(self, inputs: Iterable[Input]) -> Iterator[Result]:
        return chain.from_iterable(map(self._worker.run, batched(inputs, self._batch_size)))


class Workers:
    """Worker processes read, transform, encode, write and digest; only lines of the journal travel back.

    This process alone syncs and journals, so a worker that dies takes nothing with it but the file it was on.
    """

    def __init__(self, stage: Stage, source: Source, staging: Staging, count: int) -> None:
        self._recipe = stage.recipe
        self._source = source
        self._staging = staging
        self._batch_size = stage.batch_size or 1
        self._pool = WorkerPool(
            count, lambda: _Job(_make_worker(stage.recipe, source, staging.write)), timeout=stage.file_timeout
        )

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.__exit__(None, None, None)

    @property
    def may_have_left_parts(self) -> bool:
        return self._pool.deaths > 0

    def run(self, inputs: Iterable[Input]) -> Iterator[Result]:
        culprits: list[Input] = []
        for done in self._pool.run(map(_encode_batch, batched(inputs, self._batch_size))):
            if isinstance(done, Done):
                yield from self._results(done)
            elif len(lost := _decode_batch(done.item)) == 1:
                yield self._lost(lost[0], done)
            else:
                culprits += lost
        if culprits:
            # One of each batch killed its worker; by itself it says so.
            self._staging.drop_unlisted()
            yield from self._run_alone(culprits)

    def _run_alone(self, inputs: list[Input]) -> Iterator[Result]:
        for done in self._pool.run(map(encode_line, inputs)):
            if isinstance(done, Done):
                yield from self._results(done)
            else:
                yield self._lost(_decode_input(done.item), done)

    def _results(self, done: Done) -> Iterator[Result]:
        for answer in _decode_answers(done.answer):
            result = _result_of(answer)
            if result.error is None:
                self._staging.accept(result.line)
            yield result

    def _lost(self, item: Input, lost: Lost) -> Result:
        reason = lost.reason if lost.is_timeout else f"worker process {lost.reason}"
        hint = "If memory was short, give the task more, or use fewer workers. " if lost.is_killed else ""
        place = named(item, self._source, self._recipe)
        error = RecordFailed(f"{self._recipe.function_name} failed on {place}: {reason}. {hint}{remedy(self._recipe)}")
        failure = Failure("TimedOut" if lost.is_timeout else "WorkerDied", reason, "", kind=error.kind)
        return Result(JournalLine(item, "quarantined", failure=failure), error)


class _Job:
    """What a worker process does with one batch: lines of JSON in, results out."""

    def __init__(self, worker: Worker | BatchWorker) -> None:
        self._worker = worker

    def run(self, item: bytes) -> bytes:
        return msgspec.msgpack.encode([_answer_of(result) for result in self._worker.run(_decode_batch(item))])


class _Answer(msgspec.Struct, array_like=True):
    line: bytes
    error: bytes | None


def _make_worker(recipe: Recipe, source: Source, write: Write) -> Worker | BatchWorker:
    if recipe.batch_size is None or recipe.make is None:
        return Worker(recipe, source, write)
    return BatchWorker(recipe, recipe.make, source, write)


def _encode_batch(inputs: Iterable[Input]) -> bytes:
    return b"\n".join(map(encode_line, inputs))


def _decode_batch(lines: bytes) -> list[Input]:
    return [_decode_input(line) for line in lines.split(b"\n")]


def _answer_of(result: Result) -> _Answer:
    return _Answer(encode_line(result.line), pack_error(result.error) if result.error else None)


def _result_of(answer: _Answer) -> Result:
    if answer.error is None:
        return Result(_decode_line(answer.line))
    error = unpack_error(answer.error)
    if not isinstance(error, InputError | SourceChanged):
        # One that does not travel is its text by now.
        error = RecordFailed(str(error))
    return Result(_decode_line(answer.line), error)


_decode_input = LineDecoder(Input)
_decode_line = LineDecoder(JournalLine)
_decode_answers = msgspec.msgpack.Decoder(list[_Answer]).decode
