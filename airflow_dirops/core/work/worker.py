"""What is done for one input: read, transform, encode, write, digest. Only the entry's metadata comes back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from itertools import chain, starmap
from types import GeneratorType
from typing import Any, NamedTuple, TypeVar

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.errors import (
    DiropsError,
    EncodeError,
    InputError,
    RecordFailed,
    SourceChanged,
    environment_error,
    storage_failure,
)
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.journal import Failure, JournalLine
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.messages.tracebacks import kind_of, place_in_code, sentence, shown_traceback, users_part
from airflow_dirops.core.processes.home import Home
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.functions import Pair, UserFunction, Values, records_of
from airflow_dirops.core.stage.recipe import Recipe
from airflow_dirops.core.stops import is_stop

_MAX_KIND = 100  # a class that somebody derives may have anything there

T = TypeVar("T")
Write = Callable[[JournalLine, Iterator[Pair], Codec], JournalLine]


class Result(NamedTuple):
    """What became of one input.

    :param line: as it is journaled: made, skipped, or quarantined with the reason.
    :param error: why it failed.
    """

    line: JournalLine
    error: InputError | SourceChanged | None = None


class Worker:
    """Runs the user's functions over inputs, one at a time.

    :param write: stages what an input gave; returns its line.
    """

    def __init__(self, recipe: Recipe, source: Source, write: Write) -> None:
        self._recipe = recipe
        self._source = source
        self._write = write
        self._codec = recipe.codec
        self._home = Home()
        self._offers_paths = recipe.offers("path")
        self._opened = ExitStack()

    def run(self, inputs: Iterable[Input]) -> Iterator[Result]:
        """Do the work for a few inputs; a failure of one is a result too, and names the file and the stage.

        :raises ResourcesExhausted: if the machine has no thread left.
        :raises StorageError: if the staging area cannot be written.
        :raises SetupError: if no input can be worked on.
        """
        return map(self._run_one, inputs)

    def _run_one(self, item: Input) -> Result:
        with self.opening():
            return self.caught(item, lambda: self.stage(item, self._records(item)))

    def opening(self) -> AbstractContextManager[object]:
        """The block in which paths that functions have asked for by name open their inputs."""
        return self._opened if self._offers_paths else nullcontext()

    def stage(self, item: Input, records: Iterator[Pair]) -> Result:
        """Write what an input gave."""
        return Result(self._write(JournalLine(item), records, self._codec))

    def caught(self, item: Input, step: Callable[[], T]) -> T | Result:
        """Take a step for an input; if that fails the failure is its result."""
        try:
            return self._explaining(item, step)
        except (InputError, SourceChanged) as error:
            return Result(JournalLine(item, "quarantined", failure=_failure(error)), error)

    def _explaining(self, item: Input, step: Callable[[], T]) -> T:
        try:
            return step()
        except EncodeError as error:
            self._pass_on_environment(item, error)
            raise EncodeError(f"{named(item, self._source, self._recipe)}: {error}") from error
        except DiropsError:
            raise
        except BaseException as error:
            if is_stop(error):
                raise
            self._pass_on_environment(item, error)
            # A file that went away explains whatever the function made of it.
            self._source.check(item)
            raise RecordFailed(self._describe(item, error)) from error

    def _pass_on_environment(self, item: Input, error: BaseException) -> None:
        name = self._source.name_of(item)
        if found := environment_error(error, name):
            raise found from error
        # One bad sector costs one file; a share that went away would cost them all.
        if (failure := storage_failure(error, name)) and (self._recipe.on_error == "fail" or not _answers(name)):
            raise failure from error

    def _records(self, item: Input) -> Iterator[Pair]:
        records = self.read(item)
        if self._recipe.make is not None:
            # Not a loop, whose variable would keep a value while the next one is read.
            records = chain.from_iterable(starmap(partial(self._make, item, self._recipe.make), records))
        yield from records
        self._source.check(item)

    # Generators, so that a StopIteration out of a user's function is an error and not an end.

    def read(self, item: Input) -> Iterator[Pair]:
        """The records of one input, as the source's codec or the user's ``read`` makes them."""
        for part in item.parts or (item,):
            if part.dangling:
                self._source.check(part)
        if item.parts:
            values = Values(self._each(item, self._read_part))
            if self._recipe.join == "outer" or all(value is not None for value in values):
                yield item.key, values
        elif self._recipe.read is None:
            yield item.key, self._home.call(self._source.read, item)
        else:
            with self._source.local(item) as path:
                yield from records_of(self._call(self._recipe.read, path, item, item.key), item.key, path)

    def _read_part(self, part: Input) -> Any:
        if self._recipe.read is None:
            return self._home.call(self._source.read, part)
        with self._source.local(part) as path:
            records = list(records_of(self._call(self._recipe.read, path, part, part.key), part.key, path))
        if len(records) > 1:
            raise TypeError(f"a read= for joined sources gives one value for a file, and this one gave {len(records)}")
        return records[0][1] if records else None

    def _each(self, item: Input, get: Callable[[Input], Any]) -> Any:
        """Something about an input; for joined ones a list, with None where a source has nothing."""
        if not item.parts:
            return get(item)
        found: list[Any] = [None] * len(self._source.singles)
        for part in item.parts:
            found[part.source] = get(part)
        return found

    def _make(self, item: Input, make: UserFunction, key: str, value: Any) -> Iterator[Pair]:
        yield from records_of(self._call(make, value, item, key), key)

    def _call(self, function: UserFunction, value: Any, item: Input, key: str) -> Any:
        result = self._home.call(function, value, lambda name: self.offered(name, item, key))
        return self._home.hand_on(result) if isinstance(result, GeneratorType) else result

    def paths(self, item: Input, opened: ExitStack) -> Any:
        """A path that opens an input, or a list of them, until the block ends."""
        return self._each(item, lambda part: opened.enter_context(self._source.local(part)))

    def records(self, item: Input) -> Any:
        """What users see of an input, or a list of it, for joined ones."""
        return self._each(item, self._source.record_of)

    def offered(self, name: str, item: Input, key: str) -> Any:
        """What a function gets that asks for it by name."""
        match name:
            case "key":
                return key
            case "path":
                return self.paths(item, self._opened)
            case "record":
                return self.records(item)
            case "params":
                return dict(self._recipe.params)
            case "dimensions":
                return dict(self._recipe.dimensions)
            case _:
                return self._recipe.partition

    def _describe(self, item: Input, error: BaseException) -> str:
        return (
            f"{self._recipe.function_name} failed on {named(item, self._source, self._recipe)}: "
            f"{sentence(error)} {remedy(self._recipe)}"
        )


def named(item: Input, source: Source, recipe: Recipe) -> str:
    """Where something happened, for messages."""
    return f"{source.name_of(item)!r} (stage {recipe.name})"


def remedy(recipe: Recipe) -> str:
    """What to do about an input that fails."""
    way_on = "" if recipe.on_error == "quarantine" else ", or set on_error='quarantine' to go on without them"
    return f"Mend the file or the function, leave such files out with pattern= or by returning None{way_on}"


def _failure(error: InputError | SourceChanged) -> Failure:
    cause = error.__cause__ if isinstance(error, RecordFailed) and error.__cause__ else error
    trace = shown_traceback(cause, users_part(cause))
    return Failure(kind_of(cause), shown(cause), trace, place=place_in_code(cause), kind=shown(error.kind, _MAX_KIND))


def _answers(path: str) -> bool:
    """Whether the directory that a file lies in can still be listed."""
    try:
        with os.scandir(os.path.dirname(path)) as entries:
            next(entries, None)
    except OSError:
        return False
    return True
