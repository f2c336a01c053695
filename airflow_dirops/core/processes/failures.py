"""Take an error to another process: as itself where it can be pickled, else as its text; always with its traceback."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.messages.shown import is_shown
from airflow_dirops.core.messages.tracebacks import described, in_words, shown_traceback

# An error of ours with all its findings.
_MAX_PICKLED = 110_000


class _Packed(msgspec.Struct, array_like=True):
    message: str
    trace: str
    pickled: bytes | None


def pack_error(error: BaseException) -> bytes:
    """An error as bytes, for :func:`unpack_error`."""
    return msgspec.msgpack.encode(_Packed(described(error), shown_traceback(error), _pickled(error)))


def unpack_error(packed: bytes) -> BaseException:
    """The error again, caused by its traceback; a RuntimeError where its type does not travel."""
    found = msgspec.msgpack.decode(packed, type=_Packed)
    error = _unpickled(found.pickled) or RuntimeError(found.message)
    error.__cause__ = in_words(f"in a worker process:\n\n{found.trace}")
    return error


def _pickled(error: BaseException) -> bytes | None:
    try:
        # Errors of this package take other arguments than those that they hand on to Exception.
        parts: object = (type(error), error.args, _state(error)) if isinstance(error, DiropsError) else error
        if not is_shown(str(error), _MAX_PICKLED):
            return None
        pickled = pickle.dumps(parts)
        # Many errors can be pickled and then come back as another, or not at all.
        again = _unpickled(pickled)
        return pickled if type(again) is type(error) and str(again) == str(error) else None
    except (Exception, SystemExit, GeneratorExit):
        return None


def _unpickled(pickled: bytes | None) -> BaseException | None:
    try:
        match pickle.loads(pickled or b""):
            case BaseException() as error:
                return error
            case kind, args, state:
                return _rebuilt(kind, args, state)
    except (Exception, SystemExit, GeneratorExit):
        return None
    return None


def _state(error: BaseException) -> dict[str, Any]:
    # These three are no part of an OSError's __dict__.
    of_system = ("errno", "strerror", "filename") if isinstance(error, OSError) else ()
    found = {name: getattr(error, name) for name in of_system}
    # An OSError prints them as soon as they are set, and be it to None.
    return vars(error) | {name: value for name, value in found.items() if value is not None}


def _rebuilt(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind)
    error.args = args
    for name, value in state.items():
        setattr(error, name, value)
    return error
