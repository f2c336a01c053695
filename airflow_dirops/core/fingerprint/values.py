"""Take values apart: whatever it would take to build an equal one again.

Python already knows that for most types, through the protocol behind ``copy`` and ``pickle``. Nothing is
pickled here: the pieces are walked, so that sets have no order and addresses never appear. What cannot be
rebuilt, such as a lock or an open file, counts by its type.
"""

from __future__ import annotations

import copyreg
from enum import Enum
from functools import partial
from pathlib import PurePath
from pickle import PickleBuffer
from types import EllipsisType, MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any

from airflow_dirops.core.fingerprint.parts import Parts, parts_of_mapping, parts_of_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_dirops.core.fingerprint.home import Home

_ATOMS = (type(None), bool, int, float, complex, EllipsisType)
# Objects that are a state or a place rather than a value.
_STATEFUL = ("airflow", "logging", "numpy.random", "os", "random", "threading", "weakref")
_PROTOCOL = 5  # the first that hands large buffers over without copying them

_EXACT: dict[type, Callable[[Any], Parts]] = {
    bytes: lambda value: Parts("bytes", value),
    bytearray: lambda value: Parts("bytearray", bytes(value)),
    memoryview: lambda value: Parts("buffer", PickleBuffer(value).raw()),
    PickleBuffer: lambda value: Parts("buffer", value.raw()),
    tuple: lambda value: Parts("tuple", held=value),
    list: lambda value: Parts("list", held=tuple(value)),
    dict: parts_of_mapping,
    MappingProxyType: parts_of_mapping,
    # The general recipe has the function twice.
    partial: lambda value: Parts("partial", held=(value.func, value.args, value.keywords)),
    MethodType: lambda value: Parts("method", held=(value.__func__, value.__self__)),
    property: lambda value: Parts("property", held=(value.fget, value.fset, value.fdel)),
    staticmethod: lambda value: Parts("staticmethod", held=(value.__func__,)),
    classmethod: lambda value: Parts("classmethod", held=(value.__func__,)),
}


def parts_of_value(value: object, home: Home) -> Parts:
    """Take apart anything that is not a function, a class or a module.

    :param home: tells which strings and paths name the place the code lies in.
    """
    kind = type(value)
    if kind in _ATOMS:
        # Python writes no integer of many digits in decimals.
        return Parts(kind.__name__, hex(value) if type(value) is int else repr(value))
    if isinstance(value, PurePath) or kind is str:
        return Parts("str" if kind is str else "path", home.relative(str(value)))
    if isinstance(value, set | frozenset):
        return parts_of_set(value)
    if isinstance(value, Enum):
        return Parts("enum", value.name, held=(kind, value.value))
    try:
        return _EXACT[kind](value) if kind in _EXACT else _rebuilt(value)
    except Exception:  # whatever a type's own code raises when it is asked how to rebuild a value
        return Parts("opaque", held=(kind,))


def _rebuilt(value: object) -> Parts:
    kind = type(value)
    if "__wrapped__" in getattr(value, "__dict__", ()):
        return Parts("wrapper", held=(kind, value.__dict__["__wrapped__"]))
    if f"{kind.__module__}.".startswith(tuple(f"{name}." for name in _STATEFUL)):
        return Parts("opaque", held=(kind,))
    reducer = copyreg.dispatch_table.get(kind)
    recipe: str | tuple[Any, ...] = reducer(value) if reducer else value.__reduce_ex__(_PROTOCOL)
    if isinstance(recipe, str):
        return Parts("global", recipe, held=(kind,))
    missing: tuple[Any, ...] = (None, None, None)
    build, arguments, state, items, pairs, *_ = recipe + missing
    return Parts("object", held=(kind, _builder(build), arguments, state, (*(items or ()),), (*(pairs or ()),)))


def _builder(build: Any) -> object:
    # The general builders say nothing about a value, but their module is Python's and has its version.
    return None if getattr(build, "__module__", None) == "copyreg" else build
