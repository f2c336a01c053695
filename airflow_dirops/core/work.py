"""What is done for one input: read, transform, encode, write, digest. Only the entry's metadata comes back."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from functools import partial
from itertools import chain, starmap
from typing import Any

import airflow_dirops
from airflow_dirops.core.entries import Input
from airflow_dirops.core.errors import (
    DiropsError,
    EncodeError,
    InputError,
    RecordFailed,
    SourceChanged,
)
from airflow_dirops.core.functions import UserFunction, records_of
from airflow_dirops.core.journal import Failure, JournalLine
from airflow_dirops.core.sources import Source
from airflow_dirops.core.stage import Stage
from airflow_dirops.core.staging import StagingArea

_PACKAGE = os.path.join(os.path.dirname(airflow_dirops.__file__), "")
_MAX_TRACEBACK = 4000

Record = tuple[str, Any]


class Worker:
    """Runs the user's functions over inputs, one at a time.

    :param staging: where the results go.
    """

    def __init__(self, stage: Stage, source: Source, staging: StagingArea) -> None:
        self._stage = stage
        self._source = source
        self._staging = staging
        self._codec = stage.output_codec

    def run(self, item: Input) -> JournalLine:
        """Do the work for one input.

        :raises KeyRefused: if what it gives cannot be named.
        :raises InputError: if it failed; the message names the file and the stage.
        :raises SourceChanged: if it vanished or changed while it was read.
        :raises StorageError: if the staging area cannot be written.
        """
        try:
            return self._staging.stage(JournalLine(item), self._records(item), self._codec)
        except EncodeError as error:
            raise EncodeError(f"{self._place(item)}: {error}") from error
        except DiropsError:
            raise
        except Exception as error:
            # A file that went away explains whatever the function made of it.
            self._source.check(item)
            raise RecordFailed(self._describe(item, error)) from error

    def quarantine(self, item: Input, error: InputError | SourceChanged) -> None:
        """Note an input that failed, with the reason."""
        cause = error.__cause__ if isinstance(error, RecordFailed) and error.__cause__ else error
        failure = Failure(type(cause).__name__, str(cause), _users_part(cause))
        self._staging.note(JournalLine(item, "quarantined", failure=failure))

    def _records(self, item: Input) -> Iterator[Record]:
        records = self._read(item)
        if self._stage.transform is not None:
            # Not a loop, whose variable would keep a value while the next one is read.
            records = chain.from_iterable(starmap(partial(self._transform, item), records))
        yield from records
        self._source.check(item)

    # Generators, so that a StopIteration out of a user's function is an error and not an end.

    def _read(self, item: Input) -> Iterator[Record]:
        if self._stage.read is None:
            yield item.key, self._source.read(item)
        else:
            path = self._source.path_of(item)
            yield from records_of(self._call(self._stage.functions[0], path, item, item.key), item.key, path)

    def _transform(self, item: Input, key: str, value: Any) -> Iterator[Record]:
        yield from records_of(self._call(self._stage.functions[-1], value, item, key), key)

    def _call(self, function: UserFunction, value: Any, item: Input, key: str) -> Any:
        def offered(name: str) -> Any:
            match name:
                case "key":
                    return key
                case "path":
                    return self._source.path_of(item)
                case "record":
                    return self._source.record_of(item)
                case "params":
                    return dict(self._stage.params or {})
                case _:
                    return self._stage.partition

        return function(value, offered)

    def _place(self, item: Input) -> str:
        return f"{os.path.join(self._source.path, item.path)!r} (stage {self._stage.name})"

    def _describe(self, item: Input, error: Exception) -> str:
        return (
            f"{self._stage.function_name} failed on {self._place(item)}: "
            f"{type(error).__name__}: {error}. Mend the file or the function, return None to skip such files, "
            "or set on_error='quarantine' to go on without them"
        )


def _users_part(error: BaseException) -> str:
    """The traceback from the first frame that is not ours."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename.startswith(_PACKAGE) and trace.tb_next:
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    return "".join(lines)[-_MAX_TRACEBACK:]
