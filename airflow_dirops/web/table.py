"""What all partitions below a root are, kept for some seconds: several people look, and a look reads every header."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Lock
from typing import NamedTuple

from airflow_dirops.core import PartitionStatus, StageStatus, Status, status
from airflow_dirops.web.access import Visitor
from airflow_dirops.web.opening import Location, Root

_KEPT_SECONDS = 10.0


class _Look(NamedTuple):
    status: Status
    until: float


_looks: dict[str, _Look] = {}
_locks: dict[str, Lock] = {}
_lock = Lock()


def status_of(root: Root) -> Status:
    """What all partitions below a root are, now or some seconds ago; not all of it is for everybody."""
    with _lock:
        lock = _locks.setdefault(root.path, Lock())
    with lock:  # the others wait for the first look
        look = _looks.get(root.path)
        if look is None or look.until < time.monotonic():
            began = time.monotonic()
            found = status(root.path)
            took = time.monotonic() - began
            look = _looks[root.path] = _Look(found, time.monotonic() + max(_KEPT_SECONDS, took))
        return look.status


def iter_stages(root: Root, visitor: Visitor) -> Iterator[StageStatus]:
    """The stages with the partitions that somebody may see."""
    for stage in status_of(root).stages:
        dag_ids = dags_of(stage)
        if not any(visitor.may_read(dag_id) for dag_id in dag_ids):
            continue
        partitions = tuple(each for each in stage.partitions if _may_see(each, dag_ids, visitor))
        if partitions:
            yield replace(stage, partitions=partitions)


def found_in(location: Location) -> tuple[StageStatus, PartitionStatus] | None:
    """The row and the partition of a target, committed or not."""
    for stage in status_of(location.root).stages:
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
