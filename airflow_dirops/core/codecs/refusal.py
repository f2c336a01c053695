"""What a codec says about a value that it cannot write: the advice has been tried before it is given."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, BinaryIO, cast

from airflow_dirops.core.codecs.registry import resolve_codec
from airflow_dirops.core.errors import EncodeError

_OWN = "a codec of your own"
_is_trial: ContextVar[bool] = ContextVar("_is_trial", default=False)


def cannot_write(codec: str, value: object, reason: str, *, instead: str | None = None) -> EncodeError:
    """Name the type, say why, and say what to use.

    :param codec: the name of the codec that refuses.
    :param value: what it was given.
    :param reason: a clause that follows a colon.
    :param instead: what else can be done than to take another codec.
    """
    message = f"codec {codec!r} cannot write a value of type {type_name(value)}: {reason}"
    if _is_trial.get():
        return EncodeError(message)
    found = fitting_codec(value, other_than=codec)
    ways = [instead, f"codec={found!r}" if found else None, _OWN if found in (None, "pickle") else None]
    return EncodeError(f"{message}; use {', or '.join(filter(None, ways))}")


def fitting_codec(value: object, other_than: str = "") -> str | None:
    """The name of the codec that is made for a value and takes it; None if no built-in one does.

    :param other_than: not this one.
    """
    return next((name for name in _fitting_codecs(value) if name != other_than and _takes(name, value)), None)


def type_name(value: object) -> str:
    """A type as its user would write it, such as ``dict`` or ``numpy.ndarray``."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _fitting_codecs(value: object) -> Iterator[str]:
    """The codec that is made for values of this type, and what may take them as well."""
    match value:
        case str():
            yield "text"
        case bytes() | bytearray() | memoryview():
            yield "bytes"
        case Mapping() if value and all(map(_is_array, value.values())):
            yield "npz"
        case dict() | list() | tuple() | int() | float() | None:
            yield "json"
    if _is_array(value) or isinstance(value, float):
        yield "npy"
    yield "pickle"


def _takes(name: str, value: Any) -> bool:
    token = _is_trial.set(True)
    try:
        resolve_codec(name).encode(value, cast("BinaryIO", io.BufferedWriter(_Nowhere())))
    except Exception:
        return False
    finally:
        _is_trial.reset(token)
    return True


class _Nowhere(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        return memoryview(content).nbytes


def _is_array(value: object) -> bool:
    # By its module's name, so that a refusal does not import numpy.
    return type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "dtype")
