"""What a run has to do: for each input why it runs, or where its outputs can be taken from instead.

Three streams in the same order are walked side by side: the source as it is now, what the base snapshot says of
it, and what dead attempts finished. So a plan needs no more memory for a million inputs than for ten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import filterfalse, groupby
from operator import itemgetter
from typing import Literal

import msgspec

from airflow_dirops.core.attempts import Owner
from airflow_dirops.core.entries import Entry, Input, order_of
from airflow_dirops.core.joining import join_inputs
from airflow_dirops.core.journal import JournalLine, Output, read_journal
from airflow_dirops.core.lists import (
    FILES,
    QUARANTINE,
    SKIPPED,
    FileLine,
    LineDecoder,
    QuarantineLine,
    SkippedLine,
    encode_line,
    iter_list,
)
from airflow_dirops.core.ordering import Line, Sorter
from airflow_dirops.core.reader import Snapshot
from airflow_dirops.core.recovery import DeadAttempt

Reason = Literal["new", "changed", "code", "missing", "retry", "full"]


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
    :param code_changed: the base was made by another version of the function.
    :param full: redo everything.
    :param is_due: a new snapshot is wanted even if nothing in it is new.
    :param verify: look at the digests of the base's outputs, and not only at their sizes.
    """

    inputs: Iterable[Input]
    recorded: Sorter | None
    finished: Sorter
    base: Snapshot | None
    code_changed: bool = False
    full: bool = False
    is_due: bool = False
    verify: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    total: int = 0
    shared: int = 0
    removed: int = 0

    def walk(self) -> Iterator[Planned]:
        """Every input, in order."""
        return self._walk(_Beside(self.recorded))

    def survey(self, note: Callable[[Planned], None] = lambda _: None) -> None:
        """Walk once and count.

        :param note: called for every input.
        """
        recorded = _Beside(self.recorded)
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

    def _in_two_passes(self, comes_first: Callable[[Planned], bool]) -> Iterator[Iterator[Planned]]:
        yield filter(comes_first, self.walk())
        yield filterfalse(comes_first, self.walk())

    def _walk(self, recorded: _Beside) -> Iterator[Planned]:
        finished = _Beside(self.finished)
        for item, shares_key in _mark_shared_keys(self.inputs):
            order = order_of(item.path)
            before = recorded.at(order)
            reason = self._reason(item, before)
            line, dead = (before, None) if reason is None else _finished_as(item, finished.lines_at(order))
            yield Planned(item, reason, line, dead, shares_key)

    def _reason(self, item: Input, before: JournalLine | None) -> Reason | None:
        if self.full:
            return "full"
        if before is None:
            return "new"
        if not before.input.is_same(item):
            return "changed"
        if self.code_changed:
            return "code"
        if before.state == "quarantined":
            return "retry"
        return None if self._all_there(before) else "missing"

    def _all_there(self, before: JournalLine) -> bool:
        return self.base is not None and all(
            is_there(self.base, output, verify=self.verify) for output in before.outputs
        )


def recorded_inputs(base: Snapshot, sorter: Sorter) -> Sorter:
    """What a snapshot's lists say, turned round: by input instead of by entry."""
    is_joined = base.manifest.join is not None
    for name in (FILES, SKIPPED, QUARANTINE):
        for line in iter_list(base.directory, base.manifest, name):
            for recorded in _by_input(line, is_joined=is_joined):
                sorter.add(order_of(recorded.input.path), encode_line(recorded))
    return sorter


def finished_inputs(dead: list[DeadAttempt], fingerprint: str, sorter: Sorter) -> Sorter:
    """What dead attempts have in their journals, where they ran the same function."""
    for number, attempt in enumerate(dead):
        owner = Owner.read(attempt.directory)
        # Without a tree it died after its commit: what it finished is, or was, the target.
        if owner is None or owner.fingerprint != fingerprint or not (attempt.directory / "tree").is_dir():
            continue
        for line in read_journal(attempt.directory):
            if line.state in ("made", "skipped"):
                sorter.add(order_of(line.input.path), b"%d " % number + encode_line(line))
    return sorter


def _by_input(line: FileLine | SkippedLine | QuarantineLine, *, is_joined: bool) -> Iterator[JournalLine]:
    if isinstance(line, FileLine):
        output = Output(line.path, line.size, line.digest, 0, 0)
        inputs = (join_inputs(line.inputs),) if is_joined else line.inputs
        yield from (JournalLine(item, "carried", (output,)) for item in inputs)
        return
    state: Literal["skipped", "quarantined"] = "skipped" if isinstance(line, SkippedLine) else "quarantined"
    yield JournalLine(Input(line.path, line.size, line.mtime_ns, line.digest), state)


def _finished_as(item: Input, lines: list[bytes]) -> tuple[JournalLine | None, int | None]:
    for numbered in lines:
        number, _, encoded = numbered.partition(b" ")
        line: JournalLine = _decode(encoded)
        if line.input.is_same(item):
            return line, int(number)
    return None, None


def is_there(base: Snapshot, output: Output | Entry, *, verify: bool) -> bool:
    """Whether an entry of a snapshot is as its manifest says: by size, and by digest if it was touched since.

    :param verify: by digest in any case.
    """
    try:
        status = base.directory.status(output.path)
    except OSError:
        return False
    if status.st_size != output.size:
        return False
    # The header is written last: what is newer was touched after the commit.
    is_untouched = status.st_mtime_ns <= base.sealed_ns and not verify
    return is_untouched or base.has_digest(output.path, output.digest)


def _mark_shared_keys(inputs: Iterable[Input]) -> Iterator[tuple[Input, bool]]:
    """Inputs come sorted by key, so those that share one are neighbours."""
    waiting: Input | None = None
    last_key, shared_with_last = "", False
    for item in inputs:
        key = item.key
        if waiting is not None:
            yield waiting, shared_with_last or key == last_key
            shared_with_last = key == last_key
        waiting, last_key = item, key
    if waiting is not None:
        yield waiting, shared_with_last


class _Beside:
    """A sorted stream of lines, followed beside another one."""

    def __init__(self, lines: Iterable[Line] | None) -> None:
        self._groups = groupby(lines or (), itemgetter(0))
        self._order: bytes | None
        self._passed = 0
        self._step()

    def lines_at(self, order: bytes) -> list[bytes]:
        """The lines of this key; those of keys before it are passed."""
        while self._order is not None and self._order < order:
            self._passed += 1
            self._step()
        if self._order != order:
            return []
        found = self._lines
        self._step()
        return found

    def at(self, order: bytes) -> JournalLine | None:
        """The lines of this key as one: an input that gave several entries has several."""
        lines = [_decode(line) for line in self.lines_at(order)]
        if len(lines) <= 1:
            return lines[0] if lines else None
        outputs = tuple(output for line in lines for output in line.outputs)
        return msgspec.structs.replace(lines[0], outputs=outputs)

    def count_passed(self) -> int:
        """How many keys the other stream does not have, once that one is at its end."""
        return self._passed + (self._order is not None) + sum(1 for _ in self._groups)

    def _step(self) -> None:
        self._order, group = next(self._groups, (None, ()))
        self._lines = [line for _, line in group]


_decode: Callable[[bytes], JournalLine] = LineDecoder(JournalLine)
