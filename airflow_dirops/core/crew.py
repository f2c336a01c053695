"""Who does the work on the inputs: this process, or worker processes beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, Self

import msgspec

from airflow_dirops.core.entries import Input
from airflow_dirops.core.errors import InputError, RecordFailed, SourceChanged
from airflow_dirops.core.journal import Failure, JournalLine
from airflow_dirops.core.lists import LineDecoder, encode_line
from airflow_dirops.core.sources import Source
from airflow_dirops.core.stage import Stage
from airflow_dirops.core.staging import StagingArea
from airflow_dirops.core.work import REMEDY, Result, Worker, place_of
from airflow_dirops.core.workers import Lost, WorkerPool, pack_error, unpack_error


class Crew(Protocol):
    """Works on inputs; entered before the first thread of this process starts."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def run(self, inputs: Iterable[Input]) -> Iterator[Result]:
        """Work on every input, in any order; what one gave is staged when its result comes."""

    @property
    def may_have_left_parts(self) -> bool:
        """Whether somebody died, so that files may be half written."""


def make_crew(stage: Stage, source: Source, staging: StagingArea) -> Crew:
    """One process where one is enough: a second one only costs, unless it must be killed at times."""
    count = stage.worker_count
    if count == 1 and stage.file_timeout is None:
        return InProcess(stage, source, staging)
    return Beside(stage, source, staging, count)


class InProcess:
    """The functions run in this very process: nothing is copied, and a debugger sees them."""

    may_have_left_parts = False

    def __init__(self, stage: Stage, source: Source, staging: StagingArea) -> None:
        self._worker = Worker(stage, source, staging.stage)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nobody to send home."""

    def run(self, inputs: Iterable[Input]) -> Iterator[Result]:
        return map(self._worker.run, inputs)


class Beside:
    """Worker processes read, transform, encode, write and digest; only lines of the journal travel back.

    This process alone syncs and journals, so a worker that dies takes nothing with it but the file it was on.
    """

    def __init__(self, stage: Stage, source: Source, staging: StagingArea, count: int) -> None:
        self._stage = stage
        self._source = source
        self._staging = staging
        self._pool = WorkerPool(count, lambda: _Job(Worker(stage, source, staging.write)), timeout=stage.file_timeout)

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.__exit__(None, None, None)

    @property
    def may_have_left_parts(self) -> bool:
        return self._pool.deaths > 0

    def run(self, inputs: Iterable[Input]) -> Iterator[Result]:
        for done in self._pool.run(encode_line(item) for item in inputs):
            if isinstance(done, Lost):
                yield self._lost(_decode_input(done.item), done)
                continue
            result = _decode_result(done.answer)
            if result.error is None:
                self._staging.accept(result.line)
            yield result

    def _lost(self, item: Input, lost: Lost) -> Result:
        reason = lost.reason if lost.is_timeout else f"worker process {lost.reason}"
        place = place_of(item, self._source, self._stage)
        error = RecordFailed(f"{self._stage.function_name} failed on {place}: {reason}. {REMEDY}")
        failure = Failure("TimedOut" if lost.is_timeout else "WorkerDied", reason, "")
        return Result(JournalLine(item, "quarantined", failure=failure), error)


class _Job:
    """What a worker process does with one item: a line of JSON in, a result out."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def run(self, item: bytes) -> bytes:
        result = self._worker.run(_decode_input(item))
        error = pack_error(result.error) if result.error else None
        return msgspec.msgpack.encode(_Answer(encode_line(result.line), error))


class _Answer(msgspec.Struct, array_like=True):
    line: bytes
    error: bytes | None


def _decode_result(answer: bytes) -> Result:
    found = _decode_answer(answer)
    if found.error is None:
        return Result(_decode_line(found.line))
    error = unpack_error(found.error)
    if not isinstance(error, InputError | SourceChanged):
        # An error of the user's own making that does not travel is its text by now.
        error = RecordFailed(str(error))
    return Result(_decode_line(found.line), error)


_decode_input = LineDecoder(Input)
_decode_line = LineDecoder(JournalLine)
_decode_answer = msgspec.msgpack.Decoder(_Answer).decode
