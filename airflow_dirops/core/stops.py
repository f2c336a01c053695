"""What ends a stage, and what costs it no more than the file that it was on.

A function that was written for a command calls ``sys.exit`` on a bad file; a library raises its own ``BaseException``.
Both are about one file. A signal, Airflow's timeout and Ctrl-C are about the whole stage.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import CodeType
from typing import Any

_AIRFLOW = "airflow"

_handlers: frozenset[CodeType] = frozenset()


class Stopped(BaseException):
    """The run was asked to stop. Not an Exception, so that a user's ``except Exception`` lets it through."""


def note_handlers() -> None:
    """Remember whose signal handlers are installed: what they raise is meant for the stage.

    Those that a function of the user's installs later, for itself, are not.
    """
    global _handlers
    _handlers = frozenset(_installed())


def is_stop(error: BaseException) -> bool:
    """Whether an error is meant to end the stage, whatever on_error says."""
    if isinstance(error, Exception):
        return False
    if isinstance(error, Stopped | KeyboardInterrupt):
        return True
    # Airflow's timeout is one; the core works without Airflow, so by name.
    if any(kind.__module__.partition(".")[0] == _AIRFLOW for kind in type(error).__mro__):
        return True
    return not _handlers.isdisjoint(_codes_of(error))


def _installed() -> Iterator[CodeType]:
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        handler = getattr(handler, "func", handler)  # of a partial
        code = getattr(handler, "__code__", None) or getattr(type(handler).__call__, "__code__", None)
        if isinstance(code, CodeType):
            yield code


def _codes_of(error: BaseException) -> Iterator[CodeType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame.f_code
        trace = trace.tb_next
