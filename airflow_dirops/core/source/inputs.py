"""The inputs of a source, in order, as often as asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from airflow_dirops.core.format.entries import Input, order_of


class Inputs(Iterable[Input], ABC):
    """Sorted bytewise by key, then by path."""

    @abstractmethod
    def ordered(self) -> Iterator[tuple[bytes, Input]]:
        """Each with what it is sorted by, as :func:`order_of` makes it of its path."""

    def __iter__(self) -> Iterator[Input]:
        return (item for _, item in self.ordered())


class NoInputs(Inputs):
    """Of a directory that is not there."""

    def ordered(self) -> Iterator[tuple[bytes, Input]]:
        return iter(())


def with_order(inputs: Iterable[Input]) -> Iterator[tuple[bytes, Input]]:
    """Inputs that are in order, each with what it is sorted by."""
    return ((order_of(item.path), item) for item in inputs)
