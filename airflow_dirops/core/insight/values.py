"""In what two values differ: arrays and numbers within a tolerance, all else exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from airflow_dirops.core.messages.shown import shown

_MAX_SHOWN = 80


class Tolerance(NamedTuple):
    """How far numbers may be apart.

    :param absolute: in their own unit.
    :param relative: as a part of the expected number.
    """

    absolute: float = 0.0
    relative: float = 0.0

    def __str__(self) -> str:
        parts = [f"{self.absolute:g}"] if self.absolute else []
        parts += [f"{self.relative:g} of what is expected"] if self.relative else []
        return " + ".join(parts) or "0"


def iter_differences(actual: Any, expected: Any, tolerance: Tolerance, where: str = "") -> Iterator[str]:
    """Each way in which a value is not the expected one, as a phrase.

    :param where: in which part of a larger value.
    """
    if isinstance(actual, np.ndarray) or isinstance(expected, np.ndarray):
        found = _arrays(actual, expected, tolerance)
    elif _is_number(actual) and _is_number(expected):
        found = iter(() if _near(actual, expected, tolerance).all() else (_instead(actual, expected),))
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        yield from _mappings(actual, expected, tolerance, where)
        return
    elif _is_list(actual) and _is_list(expected):
        yield from _lists(actual, expected, tolerance, where)
        return
    else:
        found = _others(actual, expected)
    yield from (f"{where}: {each}" if where else each for each in found)


def _arrays(actual: Any, expected: Any, tolerance: Tolerance) -> Iterator[str]:
    if not (isinstance(actual, np.ndarray) and isinstance(expected, np.ndarray)):
        yield f"a {type(actual).__name__} instead of a {type(expected).__name__}"
        return
    if actual.shape != expected.shape:
        yield f"shape {actual.shape} instead of {expected.shape}"
    if actual.dtype != expected.dtype:
        yield f"dtype {actual.dtype} instead of {expected.dtype}"
    if actual.shape != expected.shape or (apart := ~_near(actual, expected, tolerance)).sum() == 0:
        return
    first = tuple(int(index[0]) for index in np.nonzero(np.atleast_1d(apart)))
    what = _instead(np.atleast_1d(actual)[first], np.atleast_1d(expected)[first])
    by = f" by up to {farthest:g}" if (farthest := _farthest(actual, expected)) else ""
    yield f"{int(apart.sum()):,} of {apart.size:,} elements differ{by}, first {list(first)}: {what}"


def _near(actual: Any, expected: Any, tolerance: Tolerance) -> Any:
    """For each element whether it is near enough; what is not a number is like another that is none."""
    one, other = np.asarray(actual), np.asarray(expected)
    if not (_is_numeric(one) and _is_numeric(other)):
        return np.asarray(one == other)
    if any(tolerance):
        return np.isclose(one, other, rtol=tolerance.relative, atol=tolerance.absolute, equal_nan=True)
    # Not by their distance, for which large integers would become floats.
    return (one == other) | ((one != one) & (other != other))  # NaN alone is not itself


def _farthest(actual: Any, expected: Any) -> float:
    """The largest distance between two elements; 0 where it cannot be told."""
    if not (_is_numeric(actual) and _is_numeric(expected)):
        return 0.0
    kind = complex if "c" in actual.dtype.kind + expected.dtype.kind else float
    with np.errstate(all="ignore"):
        distances = np.abs(np.asarray(actual, kind) - np.asarray(expected, kind))
    return float(np.max(distances, initial=0.0, where=np.isfinite(distances)))


def _mappings(
    actual: Mapping[Any, Any], expected: Mapping[Any, Any], tolerance: Tolerance, where: str
) -> Iterator[str]:
    for key in expected:
        if key not in actual:
            yield f"{where}[{key!r}] is missing"
        else:
            yield from iter_differences(actual[key], expected[key], tolerance, f"{where}[{key!r}]")
    yield from (f"{where}[{key!r}] is not expected" for key in actual if key not in expected)


def _lists(actual: Sequence[Any], expected: Sequence[Any], tolerance: Tolerance, where: str) -> Iterator[str]:
    if len(actual) != len(expected):
        yield f"{where or 'it'} has {len(actual)} elements instead of {len(expected)}"
        return
    for index, (one, other) in enumerate(zip(actual, expected, strict=True)):
        yield from iter_differences(one, other, tolerance, f"{where}[{index}]")


def _others(actual: Any, expected: Any) -> Iterator[str]:
    if type(actual) is not type(expected) and not (_is_number(actual) and _is_number(expected)):
        yield f"a {type(actual).__name__} instead of a {type(expected).__name__}: {_instead(actual, expected)}"
    elif isinstance(actual, str | bytes) and actual != expected:
        at = next((at for at, (a, b) in enumerate(zip(actual, expected, strict=False)) if a != b), None)
        at = min(len(actual), len(expected)) if at is None else at
        shift = slice(max(0, at - 20), at + 20)
        yield f"from {at} on, of {len(actual)} and {len(expected)}: {_instead(actual[shift], expected[shift])}"
    elif not bool(actual == expected):
        yield _instead(actual, expected)


def _instead(actual: Any, expected: Any) -> str:
    one, other = (each.item() if isinstance(each, np.generic) else each for each in (actual, expected))
    return f"{shown(repr(one), _MAX_SHOWN)} instead of {shown(repr(other), _MAX_SHOWN)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex | np.number) and not isinstance(value, bool)


def _is_numeric(array: Any) -> bool:
    return array.dtype.kind in "iufc"


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
