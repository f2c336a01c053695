"""How many elements of two arrays differ, and by how much."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Differing(NamedTuple):
    """What differs between two arrays of one shape.

    :param number: how many elements are not the same.
    :param largest: the largest distance between two of them; None where they are no numbers.
    :param mean: the mean distance.
    """

    number: int
    largest: float | None = None
    mean: float | None = None


def elements_between(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> Differing:
    """Compare arrays of one shape; where both have no number, nothing differs."""
    kinds = before.dtype.kind + after.dtype.kind
    if kinds.strip("biufc"):
        return Differing(int(np.sum(before != after)))
    return sum_up(differing_at(before, after), distances_between(before, after))


def sum_up(differs: Any, distances: Any) -> Differing:
    """How many differ, and by how much.

    :param differs: where they do, as :func:`differing_at` says.
    :param distances: as :func:`distances_between` says.
    """
    finite = np.isfinite(distances)
    largest = float(np.max(distances, initial=0.0, where=finite))
    mean = float(np.mean(distances, where=finite)) if finite.any() else 0.0
    return Differing(int(differs.sum()), largest, mean)


def differing_at(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> Any:
    """Where numbers differ."""
    return (before != after) & ~((before != before) & (after != after))  # NaN alone is not itself


def distances_between(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> Any:
    """How far each number is from what it was."""
    kind = complex if "c" in before.dtype.kind + after.dtype.kind else float
    with np.errstate(all="ignore"):
        return np.abs(after.astype(kind) - before.astype(kind))
