"""What a run would take, going by what earlier ones took."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from statistics import median

from airflow_dirops.core.insight.headers import Seen


@dataclass(frozen=True)
class Cost:
    """What redoing takes, as an estimate.

    :param files: inputs that would be computed.
    :param bytes: that would be written.
    :param seconds: with as many workers as before.
    :param at_most: only some of them have changed, and which was not looked at.
    """

    files: int
    bytes: int
    seconds: float
    at_most: bool = False

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.files + other.files,
            self.bytes + other.bytes,
            round(self.seconds + other.seconds, 3),
            self.at_most or other.at_most,
        )


def total_cost(costs: Iterable[Cost | None]) -> Cost | None:
    """Of all that are known, together; None where none is."""
    total: Cost | None = None
    for cost in costs:
        if cost is not None:
            total = cost if total is None else total + cost
    return total


@dataclass(frozen=True)
class Rates:
    """What one input took in a stage's earlier runs; medians over its partitions.

    :param inputs: how many a partition has.
    """

    inputs: float
    bytes: float
    seconds: float

    @classmethod
    def of(cls, snapshots: Collection[Seen]) -> Rates | None:
        """None where there was no run to go by."""
        ran = [each for each in snapshots if each.inputs]
        if not ran:
            return None
        # A run over what another one had made computed only some of its inputs.
        timed = [each for each in ran if each.base is None] or ran
        return cls(
            inputs=median(each.inputs for each in ran if each.limit is None or len(ran) == 1),
            bytes=median(each.bytes / each.inputs for each in ran),
            seconds=median(each.seconds / each.inputs for each in timed),
        )

    def cost(self, files: int | None, *, at_most: bool = False) -> Cost:
        """Of a run over so many inputs; over as many as a partition mostly has, where that is not known."""
        count = round(self.inputs) if files is None else files
        return Cost(count, round(count * self.bytes), round(count * self.seconds, 3), at_most)
