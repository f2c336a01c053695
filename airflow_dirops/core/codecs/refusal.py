"""What a codec says about a value that it cannot write."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_dirops.core.errors import EncodeError


def cannot_write(codec: str, value: object, reason: str, *, instead: str | None = None) -> EncodeError:
    """Name the type, say why, and say what to use.

    :param codec: the name of the codec that refuses.
    :param value: what it was given.
    :param reason: a clause that follows a colon.
    :param instead: what to use; by default the codec that fits the value's type.
    """
    use = instead or fitting_codec(value)
    return EncodeError(f"codec {codec!r} cannot write a value of type {type_name(value)}: {reason}. Use {use}.")


def type_name(value: object) -> str:
    """A type as its user would write it, such as ``dict`` or ``numpy.ndarray``."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def fitting_codec(value: object) -> str:
    """The codec that is made for values of this type, as one would write it in a DAG."""
    match value:
        case str():
            return "codec='text'"
        case bytes() | bytearray() | memoryview():
            return "codec='bytes'"
        case Mapping() if value and all(map(_is_array, value.values())):
            return "codec='npz'"
        case dict() | list() | tuple() | int() | float() | None:
            return "codec='json'"
    return "codec='npy'" if _is_array(value) else "codec='pickle', or a codec of your own"


def _is_array(value: object) -> bool:
    # By its module's name, so that a refusal does not import numpy.
    return type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "dtype")
