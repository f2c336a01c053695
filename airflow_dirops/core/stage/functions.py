"""Call the user's function the way it asks to be called, and make one shape of whatever it gives back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import GeneratorType
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.messages.shown import shown

Pair = tuple[str, Any]
"""A key, and a value."""
BY_NAME = ("key", "path", "record", "params", "partition", "dimensions")

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Values(tuple[Any, ...]):
    """What joined sources have for one key, in their order: each is an argument of its own."""

    __slots__ = ()


class UserFunction:
    """A function, lambda, partial or callable object of the user's.

    :param function: called with one positional argument, and by keyword with what it names of
        ``key``, ``path``, ``record``, ``params``, ``partition`` and ``dimensions``.
    :param role: what it is called in messages: ``read``, ``transform``, ``aggregate`` or ``check``.
    :param values: how many positional arguments it gets.
    :raises ArgumentRefused: if it is not callable, or asks for something that nobody can give it.
    """

    def __init__(self, function: Callable[..., Any], role: str, values: int = 1) -> None:
        if not callable(function):
            raise ArgumentRefused(f"{role}= must be a function, and it is {type(function).__name__}: {function!r}")
        if _is_async(function):
            raise ArgumentRefused(
                f"{role}={name_of(function)} is an async function, and a stage awaits nothing; give a plain one that "
                "calls it with asyncio.run()"
            )
        self.function = function
        self.role = role
        self.name = name_of(function)
        self._takes_value, self.wanted = _wanted(function, role, values)

    def __call__(self, value: Any, offered: Callable[[str], Any]) -> Any:
        """Call it.

        :param value: its positional argument.
        :param offered: gives what it wants by name; asked only for that.
        """
        named = {name: offered(name) for name in self.wanted}
        if not self._takes_value:
            return self.function(**named)
        return self.function(*value, **named) if isinstance(value, Values) else self.function(value, **named)


def _is_async(function: Callable[..., Any]) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004 - of an object that can be called
    return any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in (function, called))


def name_of(function: Any) -> str:
    """A readable name: the function's own, or that of what it wraps, or its class's."""
    while not hasattr(function, "__qualname__") and hasattr(function, "func"):
        function = function.func
    return shown(getattr(function, "__qualname__", type(function).__qualname__), 200)


def records_of(result: Any, key: str, path: str | None = None) -> Iterator[Pair]:
    """The ``(key, value)`` pairs in what a user's function returned.

    :param result: None (nothing), a generator of pairs, a value, or ``(path, value)``.
    :param key: the input's own, used for a single value.
    :param path: for a read function, the path it was given; a pair that starts with it is ``(path, value)``.
    :raises TypeError: if a generator yields something else than pairs of a key and a value.
    """
    if isinstance(result, GeneratorType):
        yield from map(_checked_pair, result)
        return
    if path is not None and isinstance(result, tuple) and len(result) == 2 and _is_path(result[0], path):
        result = result[1]
    if result is not None:
        yield key, result


def _wanted(function: Callable[..., Any], role: str, values: int) -> tuple[bool, tuple[str, ...]]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        # Some functions written in C tell no signature; they take their value by position.
        return True, ()
    first = [p for p in parameters if p.kind in _POSITIONAL][:values]
    takes_value = bool(first) or any(p.kind is p.VAR_POSITIONAL for p in parameters)
    # What a partial has bound by name is settled.
    bound = getattr(function, "keywords", {})
    rest = [p for p in parameters if p not in first and p.name not in bound]
    impossible = [p.name for p in rest if p.name not in BY_NAME and _is_required(p)]
    wanted = tuple(p.name for p in rest if p.name in BY_NAME and p.kind in _NAMED)
    if values > 1 and len(first) < values and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise ArgumentRefused(
            f"{role}={name_of(function)} takes {len(first)} positional arguments, and gets {values}, one for "
            "each source; give it that many parameters, or *values"
        )
    if impossible or not (takes_value or wanted):
        raise ArgumentRefused(
            f"{role}={name_of(function)} cannot be called for a file: "
            + (f"nothing gives it {', '.join(impossible)}; " if impossible else "it takes no argument; ")
            + f"it gets one positional argument, and by name any of {', '.join(BY_NAME)}; "
            "give the others a value with functools.partial, and take the one argument that comes from the file"
        )
    return takes_value, wanted


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind in (*_POSITIONAL, parameter.KEYWORD_ONLY)


def _is_path(first: Any, path: str) -> bool:
    return isinstance(first, str) and first == path


def _checked_pair(pair: Any) -> Pair:
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise TypeError(f"a generator must yield (key, value) pairs, and this one gave a {_shape(pair)}")
    return pair


def _shape(value: Any) -> str:
    return f"tuple of {len(value)}" if isinstance(value, tuple) else type(value).__name__
