"""What a run has to do: for each input why it runs, or where its outputs can be taken from instead.

Three streams in the same order are walked side by side: the source as it is now, what the base snapshot says of
it, and what dead attempts finished. So a plan needs no more memory for a million inputs than for ten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import filterfalse
from typing import Literal, NamedTuple, TypeVar, get_args

import msgspec

from airflow_dirops.core.format.entries import Entry, Input
from airflow_dirops.core.format.journal import JournalLine, Output
from airflow_dirops.core.format.planned import Planned, Reason
from airflow_dirops.core.plan.decided import NOTHING_DECIDED, Decided
from airflow_dirops.core.plan.following import Follower, mark_shared_keys
from airflow_dirops.core.plan.recorded import Finished, Recorded
from airflow_dirops.core.report.changes import Change
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.source.inputs import Inputs

T = TypeVar("T")
Fate = Reason | Literal["carried", "removed"]
FATES = (*get_args(Reason), "carried", "removed")


class Loss(NamedTuple):
    """What a plan would drop of the base.

    :param lost: how many, net: what new inputs bring is counted against it.
    :param of: how many there are.
    :param what: results, or inputs where all of them become one.
    """

    lost: int
    of: int
    what: Literal["results", "inputs"]


class PlannedInput(NamedTuple):
    """One input, and what a run would do about it.

    :param path: relative to the source.
    :param reason: why it would run: ``new``, ``changed``, ``code``, ``missing``, ``retry`` or ``redo``; or that it
        would not: ``carried`` over, or ``removed`` from the source.
    """

    path: str
    reason: Fate


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What one walk through a plan has counted.

    :param shared: inputs that share their key.
    :param reasons: how many inputs run for which reason, or are carried over.
    :param removed: inputs of the base that are gone.
    :param loss: what of the base would go.
    :param bytes_before: how much the base's inputs were; None where that was not looked at.
    :param is_due: a new snapshot is wanted even if nothing in it is new.
    """

    total: int
    shared: int
    reasons: Mapping[str, int]
    removed: int
    loss: Loss
    bytes_before: int | None
    is_due: bool

    def describe(self) -> str:
        """How many inputs run for which reason, such as ``3 new, 1 changed, 96 carried``."""
        counts = [f"{count} {reason}" for reason, count in sorted(self.reasons.items())]
        return ", ".join([*counts, *([f"{self.removed} removed"] if self.removed else [])]) or "nothing"

    @property
    def has_work(self) -> bool:
        """Whether a new snapshot would differ from the base; failed inputs are retried before that is known."""
        return self.is_due or self.removed > 0 or self.reasons.get("carried", 0) != self.total

    @property
    def only_retries(self) -> bool:
        """Whether all that runs has failed before; if it fails again, nothing is new."""
        if self.is_due or self.removed:
            return False
        return self.reasons.get("retry", 0) + self.reasons.get("carried", 0) == self.total


@dataclass
class _Tally:
    """What a walk sees of the base on the way."""

    results_removed: int = 0
    bytes_before: int = 0

    def note_removed(self, lines: list[JournalLine]) -> None:
        self.results_removed += sum(len(line.outputs) for line in lines)
        self.bytes_before += lines[0].input.size


@dataclass(frozen=True)
class Plan:
    """A plan, walked as often as needed.

    :param inputs: the source, in order.
    :param recorded: what the base says of its inputs, or None where that does not count.
    :param finished: what dead attempts finished.
    :param code_changes: what has changed in the function since the base was made, as far as that is known; None if
        nothing has.
    :param decided: what people have decided about inputs that failed.
    :param full: redo everything.
    :param is_due: a new snapshot is wanted even if nothing in it is new.
    :param verify: look at the digests of the base's outputs, and not only at their sizes.
    """

    inputs: Inputs
    recorded: Iterable[Recorded] | None
    finished: Iterable[Finished]
    base: Snapshot | None
    code_changes: tuple[Change, ...] | None = None
    decided: Decided = NOTHING_DECIDED
    full: bool = False
    is_due: bool = False
    verify: bool = False

    def walk(self) -> Iterator[Planned]:
        """Every input, in order."""
        return self._walk(Follower(self.recorded or ()), _Tally())

    def survey(self, note: Callable[[Planned], None] = lambda _: None) -> Survey:
        """Walk once and count.

        :param note: called for every input.
        """
        tally = _Tally()
        recorded = Follower(self.recorded or (), tally.note_removed)
        total = shared = 0
        reasons: Counter[str] = Counter()
        for planned in self._walk(recorded, tally):
            total += 1
            shared += planned.shares_key
            reasons[planned.reason or "carried"] += 1
            note(planned)
        return Survey(
            total=total,
            shared=shared,
            reasons=reasons,
            removed=recorded.count_passed(),
            loss=self._loss(total, reasons["new"], tally.results_removed),
            bytes_before=tally.bytes_before if self.recorded is not None else None,
            is_due=self.is_due,
        )

    def fates(self, recorded: Iterable[Recorded] | None) -> Iterator[PlannedInput]:
        """What becomes of every input that is or was in the source, in order.

        :param recorded: what the base says of its inputs, also where that does not count.
        """
        gone: list[str] = []
        before = Follower(recorded or (), lambda lines: gone.append(lines[0].input.path))
        for planned in self._walk(before, _Tally()):
            yield from (PlannedInput(path, "removed") for path in gone)
            gone.clear()
            yield PlannedInput(planned.input.path, planned.reason or "carried")
        while before.pass_one():
            yield PlannedInput(gone.pop(), "removed")

    def passes(self, survey: Survey) -> Iterator[Iterator[Planned]]:
        """All inputs; in the first of two passes those that decide whether the rest is worth doing.

        These are failed ones that are retried while nothing else is new; or inputs that share a key, since two of
        them may want one name.
        """
        if survey.only_retries:
            return self._in_two_passes(lambda planned: planned.reason == "retry")
        if survey.shared:
            return self._in_two_passes(lambda planned: planned.shares_key)
        return iter([self.walk()])

    def _loss(self, total: int, new: int, results_removed: int) -> Loss:
        """How many of the base's results would go: those of inputs that are gone, less what new ones may well give."""
        if self.base is None:
            return Loss(0, 0, "results")
        counts = self.base.manifest.counts
        read = max(1, counts.inputs - counts.skipped - counts.quarantined)
        if self.recorded is None:
            lost = (counts.inputs - total) * counts.entries // read
        else:
            lost = results_removed - new * counts.entries // read
        return Loss(lost, counts.entries, "results")

    def _in_two_passes(self, comes_first: Callable[[Planned], bool]) -> Iterator[Iterator[Planned]]:
        yield filter(comes_first, self.walk())
        yield filterfalse(comes_first, self.walk())

    def _walk(self, recorded: Follower[JournalLine], tally: _Tally) -> Iterator[Planned]:
        finished = Follower(self.finished)
        for order, item, shares_key in mark_shared_keys(self.inputs):
            before = _as_one(recorded.at(order))
            tally.bytes_before += before.input.size if before else 0
            reason = self._reason(item, before)
            line, dead = (before, None) if reason is None else finished_as(item, finished.at(order))
            decision = self.decided.of(item) if self.decided else None
            yield Planned(item, reason, line, dead, shares_key, decision)

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
            return None if self.decided.is_left(item) else "retry"
        if before.note is not None and self.decided.is_named(item):
            return "redo"
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
    status = base.held.status(output.path)
    if status is None or status.size != output.size:
        return False
    # The header is written last: what is newer was touched after the commit.
    is_untouched = status.mtime_ns <= base.sealed_ns and not verify
    return is_untouched or base.has_digest(output.path, output.digest)


def _as_one(lines: list[JournalLine]) -> JournalLine | None:
    """An input that gave several entries has several lines."""
    if len(lines) <= 1:
        return lines[0] if lines else None
    outputs = tuple(output for line in lines for output in line.outputs)
    return msgspec.structs.replace(lines[0], outputs=outputs)


def finished_as(item: Input, finished: list[tuple[str, JournalLine]]) -> tuple[JournalLine | None, str | None]:
    """What an input gave when it was the same as now, and the id of what has it; None if nothing has."""
    return next(((line, attempt) for attempt, line in finished if line.input.is_same(item)), (None, None))
