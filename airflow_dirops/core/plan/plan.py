"""What a run has to do: for each input why it runs, or where its outputs can be taken from instead.

Three streams in the same order are walked side by side: the source as it is now, what the base snapshot says of
it, and what dead attempts finished. So a plan needs no more memory for a million inputs than for ten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import filterfalse
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec

from airflow_dirops.core.disk.held import is_damage
from airflow_dirops.core.errors import StorageError
from airflow_dirops.core.format.entries import Entry, Input, order_of
from airflow_dirops.core.format.journal import JournalLine, Output
from airflow_dirops.core.plan.recorded import Finished, Recorded
from airflow_dirops.core.report.changes import Change
from airflow_dirops.core.snapshot.reader import Snapshot

T = TypeVar("T")
Reason = Literal["new", "changed", "code", "missing", "retry", "redo"]


class Loss(NamedTuple):
    """What a plan would drop of the base.

    :param lost: how many, net: what new inputs bring is counted against it.
    :param of: how many there are.
    :param what: results, or inputs where all of them become one.
    """

    lost: int
    of: int
    what: Literal["results", "inputs"]


class Planned(msgspec.Struct, frozen=True):
    """What to do about one input.

    :param reason: why it runs; None if the base's outputs are carried over.
    :param line: what it gave before: in the base where it is carried over, else in a dead attempt, else None.
    :param dead: which dead attempt finished it.
    :param shares_key: another input has the same key, so the two might want one name.
    """

    input: Input
    reason: Reason | None
    line: JournalLine | None = None
    dead: int | None = None
    shares_key: bool = False


@dataclass
class Plan:
    """A plan, walked as often as needed.

    :param inputs: the source, in order.
    :param recorded: what the base says of its inputs, or None where that does not count.
    :param finished: what dead attempts finished.
    :param code_changes: what has changed in the function since the base was made, as far as that is known; None if
        nothing has.
    :param full: redo everything.
    :param is_due: a new snapshot is wanted even if nothing in it is new.
    :param verify: look at the digests of the base's outputs, and not only at their sizes.
    :param bytes_before: how much the base's inputs were, in the end of a walk through all that it says of them.
    """

    inputs: Iterable[Input]
    recorded: Iterable[Recorded] | None
    finished: Iterable[Finished]
    base: Snapshot | None
    code_changes: tuple[Change, ...] | None = None
    full: bool = False
    is_due: bool = False
    verify: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    total: int = 0
    shared: int = 0
    removed: int = 0
    results_removed: int = 0
    bytes_before: int = 0

    def walk(self) -> Iterator[Planned]:
        """Every input, in order."""
        return self._walk(_Beside(self.recorded or ()))

    def survey(self, note: Callable[[Planned], None] = lambda _: None) -> None:
        """Walk once and count.

        :param note: called for every input.
        """
        recorded = _Beside(self.recorded or (), self._note_removed)
        for planned in self._walk(recorded):
            self.total += 1
            self.shared += planned.shares_key
            self.reasons[planned.reason or "carried"] += 1
            note(planned)
        self.removed = recorded.count_passed()

    def describe(self) -> str:
        """How many inputs run for which reason, such as ``3 new, 1 changed, 96 carried``."""
        counts = [f"{count} {reason}" for reason, count in sorted(self.reasons.items())]
        return ", ".join([*counts, *([f"{self.removed} removed"] if self.removed else [])]) or "nothing"

    @property
    def loss(self) -> Loss:
        """How many of the base's results would go: those of inputs that are gone, less what new ones may well give."""
        if self.base is None:
            return Loss(0, 0, "results")
        counts = self.base.manifest.counts
        read = max(1, counts.inputs - counts.skipped - counts.quarantined)
        if self.recorded is None:
            lost = (counts.inputs - self.total) * counts.entries // read
        else:
            lost = self.results_removed - self.reasons["new"] * counts.entries // read
        return Loss(lost, counts.entries, "results")

    @property
    def has_work(self) -> bool:
        """Whether a new snapshot would differ from the base; failed inputs are retried before that is known."""
        return self.is_due or self.removed > 0 or self.reasons["carried"] != self.total

    def passes(self) -> Iterator[Iterator[Planned]]:
        """All inputs; in the first of two passes those that decide whether the rest is worth doing.

        These are failed ones that are retried while nothing else is new; or inputs that share a key, since two of
        them may want one name.
        """
        if self.only_retries:
            return self._in_two_passes(lambda planned: planned.reason == "retry")
        if self.shared:
            return self._in_two_passes(lambda planned: planned.shares_key)
        return iter([self.walk()])

    @property
    def only_retries(self) -> bool:
        """Whether all that runs has failed before; if it fails again, nothing is new."""
        if self.is_due or self.removed:
            return False
        return self.reasons["retry"] + self.reasons["carried"] == self.total

    def _note_removed(self, lines: list[JournalLine]) -> None:
        self.results_removed += sum(len(line.outputs) for line in lines)
        self.bytes_before += lines[0].input.size

    def _in_two_passes(self, comes_first: Callable[[Planned], bool]) -> Iterator[Iterator[Planned]]:
        yield filter(comes_first, self.walk())
        yield filterfalse(comes_first, self.walk())

    def _walk(self, recorded: _Beside[JournalLine]) -> Iterator[Planned]:
        finished = _Beside(self.finished)
        self.bytes_before = 0
        for order, item, shares_key in _mark_shared_keys(self.inputs):
            before = _as_one(recorded.at(order))
            self.bytes_before += before.input.size if before else 0
            reason = self._reason(item, before)
            line, dead = (before, None) if reason is None else _finished_as(item, finished.at(order))
            yield Planned(item, reason, line, dead, shares_key)

    def _reason(self, item: Input, before: JournalLine | None) -> Reason | None:
        if self.full:
            return "redo"
        if before is None:
            return "new"
        if not before.input.is_same(item):
            return "changed"
        if self.code_changes is not None:
            return "code"
        if before.state == "quarantined":
            return "retry"
        return None if self._all_there(before) else "missing"

    def _all_there(self, before: JournalLine) -> bool:
        if self.base is None:
            return False
        for output in before.outputs:  # noqa: SIM110 - a generator for each input costs more than its look
            if not is_there(self.base, output, verify=self.verify):
                return False
        return True


def is_there(base: Snapshot, output: Output | Entry, *, verify: bool) -> bool:
    """Whether an entry of a snapshot is as its manifest says: by size, and by digest if it was touched since.

    :param verify: by digest in any case.
    """
    try:
        status = base.directory.regular_status(output.path)
    except OSError as error:
        if is_damage(error):
            return False
        raise StorageError("looking at", base.path / output.path, error) from error
    if status.st_size != output.size:
        return False
    # The header is written last: what is newer was touched after the commit.
    is_untouched = status.st_mtime_ns <= base.sealed_ns and not verify
    return is_untouched or base.has_digest(output.path, output.digest)


def _mark_shared_keys(inputs: Iterable[Input]) -> Iterator[tuple[bytes, Input, bool]]:
    """Each input with its order, and whether it shares its key; those that do are neighbours."""
    waiting: tuple[bytes, Input] | None = None
    last_key, shared_with_last = b"", False
    for item in inputs:
        order = order_of(item.path)
        key = order[: order.index(0)]
        if waiting is not None:
            yield *waiting, shared_with_last or key == last_key
            shared_with_last = key == last_key
        waiting, last_key = (order, item), key
    if waiting is not None:
        yield *waiting, shared_with_last


class _Beside(Generic[T]):
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
        while self._order is not None:
            self._pass()
        return self._passed

    def _pass(self) -> None:
        self._passed += 1
        self._note_passed(self._take(self._order))

    def _take(self, order: bytes | None) -> list[T]:
        found: list[T] = []
        while self._order == order:
            found.append(self._line)
            self._step()
        return found

    def _step(self) -> None:
        self._order: bytes | None
        self._line: Any
        self._order, self._line = next(self._lines, (None, None))


def _as_one(lines: list[JournalLine]) -> JournalLine | None:
    """An input that gave several entries has several lines."""
    if len(lines) <= 1:
        return lines[0] if lines else None
    outputs = tuple(output for line in lines for output in line.outputs)
    return msgspec.structs.replace(lines[0], outputs=outputs)


def _finished_as(item: Input, finished: list[tuple[int, JournalLine]]) -> tuple[JournalLine | None, int | None]:
    return next(((line, number) for number, line in finished if line.input.is_same(item)), (None, None))
