"""Cut a plan into contiguous ranges of its inputs, of about the same cost each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from airflow_dirops.core.format.planned import Planned

# What an input costs besides its bytes: to open, call, write and sync; and to link where it is carried over.
_COMPUTED = 64 << 10
_CARRIED = 2 << 10


class Costs:
    """Adds up what a plan costs, to know where its parts begin."""

    def __init__(self) -> None:
        self.total = 0
        self.runs = 0

    def note(self, planned: Planned) -> None:
        """One more input."""
        self.total += cost_of(planned)
        self.runs += planned.reason is not None and planned.dead is None


def cost_of(planned: Planned) -> int:
    """What an input costs, beside others: by its bytes, since nothing else is known of it before."""
    if planned.reason is None or planned.dead is not None:
        return _CARRIED
    return _COMPUTED + planned.input.size


def cut_evenly(walk: Iterator[Planned], total: int, shards: int) -> Iterator[Iterator[Planned]]:
    """The parts of a plan, each to be walked before the next one; at most so many, none of them empty.

    Inputs that share a key stay together, since two of them may want one name.

    :param walk: every input, in order.
    :param total: what they cost together.
    """
    return (map(itemgetter(1), part) for _, part in groupby(_numbered(walk, total, shards), itemgetter(0)))


def _numbered(walk: Iterator[Planned], total: int, shards: int) -> Iterator[tuple[int, Planned]]:
    passed = number = 0
    key: str | None = None
    for planned in walk:
        mine = planned.input.key if planned.shares_key else None
        cost = cost_of(planned)
        if mine is None or mine != key:
            # By where its middle lies, so that a few bytes more or less move no boundary.
            number = max(number, min(shards - 1, (2 * passed + cost) * shards // (2 * total)))
        key = mine
        passed += cost
        yield number, planned
