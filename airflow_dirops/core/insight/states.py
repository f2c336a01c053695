"""What a partition, a stage and all of them can be, as a look at them tells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from airflow_dirops.core.insight.cost import Cost
from airflow_dirops.core.insight.staleness import Reason

State = Literal["unreadable", "held", "damaged", "absent", "trial", "stale", "quarantined", "whole"]
"""What a partition is; the first that fits.

``unreadable``: it cannot be looked at from here, so it may be anything; ``held``: a sealed snapshot waits for
somebody to publish or reject it; ``damaged``: its header is no manifest; ``absent``: it is expected, and no stage has
committed it; ``trial``: only the first inputs are in it; ``stale``: a run would make something else; ``quarantined``:
some inputs failed; ``whole``: none of these.
"""

STATES: tuple[State, ...] = get_args(State)

Expected: TypeAlias = Callable[[str, Sequence[str]], Collection[str] | None]
"""Which partitions a stage should have: called with its name and those that it has; None where that is not known."""


@dataclass(frozen=True)
class PartitionStatus:
    """What one partition of a stage is.

    :param target: its path.
    :param partition: its name; None where the stage has none.
    :param detail: why it is not whole, in a sentence.
    :param reasons: why it is stale, where it is.
    :param snapshot: the id of what is there.
    :param created: when that was committed, UTC.
    :param dag_id: whose run committed it; empty outside Airflow, as ``run_id`` may be.
    :param limit: of a trial, over how many inputs it went.
    :param held: the ids of the snapshots that wait for a decision, the latest first.
    :param at_work: an attempt is at work on it; looked for only where it is not whole.
    :param cost: what it takes to make it whole; None where nothing is to be done, or nothing tells.
    """

    target: str
    partition: str | None
    state: State
    detail: str = ""
    reasons: tuple[Reason, ...] = ()
    snapshot: str | None = None
    created: str | None = None
    dag_id: str = ""
    run_id: str = ""
    inputs: int = 0
    entries: int = 0
    bytes: int = 0
    quarantined: int = 0
    limit: int | None = None
    held: tuple[str, ...] = ()
    at_work: bool = False
    cost: Cost | None = None


@dataclass(frozen=True)
class StageStatus:
    """A stage and its partitions.

    :param stage: its name; empty for what no known stage has left.
    :param target: the path of its targets, with ``{partition}`` where they differ by that.
    :param dimensions: which site, camera and so on, where there are several.
    :param reads: the stages that it reads, and folders that no stage wrote, written like ``target``.
    :param partitions: by name.
    :param counts: how many there are of each state, in the order of ``STATES``.
    :param cost: of all of them together.
    :param dag_id: whose run committed the newest of them; empty outside Airflow.
    """

    stage: str
    target: str
    dimensions: dict[str, str]
    reads: tuple[str, ...]
    partitions: tuple[PartitionStatus, ...]
    counts: dict[State, int]
    cost: Cost | None
    dag_id: str = ""


@dataclass(frozen=True)
class Trouble:
    """Something that a person should know, and that belongs to no partition.

    :param kind: of the error, such as ``storage-error``; or ``two-stages`` or ``clock``.
    """

    path: str
    kind: str
    message: str


@dataclass(frozen=True)
class Status:
    """What all partitions below some folders are.

    :param stages: one comes after those that it reads.
    :param counts: how many partitions there are of each state.
    :param cost: what it takes to make all of them whole.
    """

    roots: tuple[str, ...]
    stages: tuple[StageStatus, ...]
    troubles: tuple[Trouble, ...]
    counts: dict[State, int]
    cost: Cost | None = None

    @property
    def is_whole(self) -> bool:
        """Whether there is something, and nothing is to be done about it, as far as could be seen."""
        return not self.troubles and set(self.counts) == {"whole"}
