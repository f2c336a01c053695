"""A function of the user's may fork; a child that comes back from it ends, or it would be a second stage at work.

It would write into the same staging area and journal, let go of the same claim, and answer the same supervisor.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NoReturn, TypeVar

_STDERR = 2
_LONGEST = 4_000

T = TypeVar("T")


class Home:
    """The process that goes on: the one that made this."""

    def __init__(self) -> None:
        self._process = os.getpid()

    @property
    def is_here(self) -> bool:
        return os.getpid() == self._process

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function; only this process comes back from it."""
        try:
            return function(*arguments)
        finally:
            # Written out, as it is called several times for each file.
            if os.getpid() != self._process:
                _end(sys.exc_info()[1])

    def hand_on(self, values: Iterator[T]) -> Iterator[T]:
        """The values of an iterator that runs the user's code; only this process gets them."""
        try:
            for value in values:
                self._end_others()
                yield value
                del value  # else it would live on while the next one is made
        except GeneratorExit:
            raise
        except BaseException:
            self._end_others()
            raise
        self._end_others()

    def _end_others(self) -> None:
        if not self.is_here:
            _end(sys.exc_info()[1])


def _end(error: BaseException | None) -> NoReturn:
    """End as a process does; but nothing that was inherited is flushed, closed or told."""
    code: object = 0
    try:
        said = (
            f"dirops: process {os.getpid()} was forked in a function of a stage and came back from it, so it ends here"
        )
        if isinstance(error, SystemExit):
            code = error.code
        elif error is not None:
            code = 1
            said += ":\n" + "".join(traceback.format_exception(error))[-_LONGEST:]
        with suppress(OSError):
            os.write(_STDERR, f"{said}\n".encode(errors="backslashreplace"))
    finally:
        os._exit(code if isinstance(code, int) else int(code is not None))
