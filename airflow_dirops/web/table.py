"""What all partitions below a root are, kept for some seconds: several people look, and a look reads every header."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock, Thread
from typing import NamedTuple

from airflow_dirops.core import PartitionStatus, StageStatus, Status, status
from airflow_dirops.web.access import Visitor
from airflow_dirops.web.opening import Location, Root

_KEPT_SECONDS = 10.0
_LONG_SECONDS = 2.0
_OLDEST_SECONDS = 300.0
"""Where a look takes long, people get the one before while the next is made, unless it is older than this."""


class Look(NamedTuple):
    """What was seen.

    :param at: when, UTC.
    :param began: the same by a clock that never jumps.
    :param took: seconds.
    """

    status: Status
    at: datetime
    began: float
    took: float

    @property
    def age(self) -> float:
        """In seconds."""
        return time.monotonic() - self.began

    @property
    def is_fresh(self) -> bool:
        """Whether nobody needs to look again."""
        return self.age < self.took + max(_KEPT_SECONDS, self.took)


_looks: dict[str, Look] = {}
_locks: dict[str, Lock] = {}
_lock = Lock()


def look_below(root: Root) -> Look:
    """What all partitions below a root are, now or some time ago; not all of it is for everybody."""
    with _lock:
        lock = _locks.setdefault(root.path, Lock())
        look = _looks.get(root.path)
    if look is not None and not look.is_fresh and look.took > _LONG_SECONDS and look.age < _OLDEST_SECONDS:
        if lock.acquire(blocking=False):
            Thread(target=_look_again, args=(root, lock), name="dirops-page-look", daemon=True).start()
        return look
    with lock:  # the others wait for the first look
        look = _looks.get(root.path)
        return look if look is not None and look.is_fresh else _look(root)


def _look_again(root: Root, lock: Lock) -> None:
    try:
        _look(root)
    finally:
        lock.release()


def _look(root: Root) -> Look:
    at, began = datetime.now(UTC), time.monotonic()
    look = _looks[root.path] = Look(status(root.path), at, began, time.monotonic() - began)
    return look


def iter_stages(found: Status, visitor: Visitor) -> Iterator[StageStatus]:
    """The stages with the partitions that somebody may see."""
    for stage in found.stages:
        dag_ids = dags_of(stage)
        partitions = tuple(each for each in stage.partitions if _may_see(each, dag_ids, visitor))
        if partitions:
            yield replace(stage, partitions=partitions)


def found_in(location: Location) -> tuple[StageStatus, PartitionStatus] | None:
    """The row and the partition of a target, committed or not."""
    for stage in look_below(location.root).status.stages:
        for partition in stage.partitions:
            if partition.target == location.path:
                return stage, partition
    return None


def may_see(location: Location, visitor: Visitor) -> bool:
    """Whether somebody may see what is known of a target that was never committed: by whose its neighbours are."""
    found = found_in(location)
    return visitor.may_read("") if found is None else _may_see(found[1], dags_of(found[0]), visitor)


def dags_of(stage: StageStatus) -> set[str]:
    """The DAGs that have committed partitions of a stage; the empty one where none has."""
    return {each.dag_id for each in stage.partitions if each.snapshot} or {""}


def _may_see(partition: PartitionStatus, dag_ids: set[str], visitor: Visitor) -> bool:
    if partition.snapshot:
        return visitor.may_read(partition.dag_id)
    return all(visitor.may_read(dag_id) for dag_id in dag_ids)
