"""Walk sorted streams side by side, in memory for one of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.source.inputs import Inputs

T = TypeVar("T")


class Follower(Generic[T]):
    """A sorted stream of what is known, followed beside another one."""

    def __init__(
        self, lines: Iterable[tuple[bytes, T]], note_passed: Callable[[list[T]], None] = lambda _: None
    ) -> None:
        self._lines = iter(lines)
        self._note_passed = note_passed
        self._passed = 0
        self._step()

    def at(self, order: bytes) -> list[T]:
        """What is known of this one; all before it is passed."""
        while self._order is not None and self._order < order:
            self._pass()
        return self._take(order) if self._order == order else []

    def count_passed(self) -> int:
        """How many of this stream the other one does not have, once that one is at its end."""
        while self.pass_one():
            pass
        return self._passed

    def pass_one(self) -> bool:
        """Pass the next one; returns whether there was one."""
        if self._order is None:
            return False
        self._pass()
        return True

    def _pass(self) -> None:
        self._passed += 1
        self._note_passed(self._take(self._order))

    def _take(self, order: bytes | None) -> list[T]:
        found = [self._line]
        self._step()
        while self._order == order:
            found.append(self._line)
            self._step()
        return found

    def _step(self) -> None:
        self._order: bytes | None
        self._line: Any
        self._order, self._line = next(self._lines, (None, None))


def mark_shared_keys(inputs: Inputs) -> Iterator[tuple[bytes, Input, bool]]:
    """Each input with its order, and whether it shares its key; those that do are neighbours."""
    waiting: tuple[bytes, Input] | None = None
    last_key, shared_with_last = b"", False
    for order, item in inputs.ordered():
        key = order[: order.index(0)]
        if waiting is not None:
            yield *waiting, shared_with_last or key == last_key
            shared_with_last = key == last_key
        waiting, last_key = (order, item), key
    if waiting is not None:
        yield *waiting, shared_with_last
