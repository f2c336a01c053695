"""A transform over a list of values at a time, as models like it; the entries are those of one value at a time."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.processes.home import Home
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.functions import Pair, UserFunction
from airflow_dirops.core.stage.recipe import Recipe
from airflow_dirops.core.stops import is_stop
from airflow_dirops.core.work.worker import Result, Worker, Write

_PER_VALUE = ("key", "path", "record")


def batched(inputs: Iterable[Input], size: int) -> Iterator[list[Input]]:
    """So many inputs at a time; ``itertools`` has it from Python 3.12 on."""
    rest = iter(inputs)
    while batch := list(islice(rest, size)):
        yield batch


class _Read(NamedTuple):
    """An input, and the records that were read from it."""

    item: Input
    records: list[Pair]


class BatchWorker:
    """As :class:`~airflow_dirops.core.work.worker.Worker`, but ``transform`` gets a list, and gives as many results.

    A batch that fails is taken apart: each of its inputs is tried by itself, so only the culprit fails.
    """

    def __init__(self, recipe: Recipe, make: UserFunction, source: Source, write: Write) -> None:
        self._worker = Worker(recipe, source, write)
        self._source = source
        self._make = make
        self._home = Home()

    def run(self, inputs: Iterable[Input]) -> Iterator[Result]:
        """Do the work for one batch; see :meth:`Worker.run <airflow_dirops.core.work.worker.Worker.run>`."""
        batch: list[_Read] = []
        with self._worker.opening():
            for item in inputs:
                read = self._worker.caught(item, partial(self._read, item))
                if isinstance(read, Result):
                    yield read
                else:
                    batch.append(read)
            yield from self._run_together(batch)

    def _read(self, item: Input) -> _Read:
        records = list(self._worker.read(item))
        self._source.check(item)
        return _Read(item, records)

    def _run_together(self, batch: list[_Read]) -> Iterator[Result]:
        if len(batch) <= 1:
            yield from map(self._run_alone, batch)
            return
        try:
            answers = iter(self._answers(batch))
        except DiropsError:
            raise
        except BaseException as error:
            if is_stop(error):
                raise
            yield from map(self._run_alone, batch)
            return
        for one in batch:
            yield self._stage(one, [next(answers) for _ in one.records])

    def _run_alone(self, one: _Read) -> Result:
        return self._worker.caught(one.item, lambda: self._stage(one, self._answers([one])))

    def _stage(self, one: _Read, answers: list[Any]) -> Result:
        records = ((key, answer) for (key, _), answer in zip(one.records, answers, strict=True) if answer is not None)
        return self._worker.caught(one.item, lambda: self._worker.stage(one.item, records))

    def _answers(self, batch: list[_Read]) -> list[Any]:
        values = [value for one in batch for _, value in one.records]

        def offered(name: str) -> Any:
            places = ((one.item, key) for one in batch for key, _ in one.records)
            if name in _PER_VALUE:
                return [self._worker.offered(name, item, key) for item, key in places]
            return self._worker.offered(name, *next(places))

        if not values:
            return []
        return self._home.call(lambda: _checked(self._make(values, offered), len(values)))


def _checked(answer: Any, count: int) -> list[Any]:
    """What a function gave for a list of values, as a list with as many members."""
    if isinstance(answer, str | bytes | dict) or not (hasattr(answer, "__len__") or inspect.isgenerator(answer)):
        raise TypeError(f"a function over batches must return a list with a result for each value, not {type(answer)}")
    # Taken out of it here, where what goes wrong is the function's fault.
    answers = list(answer)
    if len(answers) != count:
        raise ValueError(f"a function over batches gave {len(answers)} results for {count} values")
    return answers
