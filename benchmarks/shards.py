"""A stage in shards: what planning, working and committing cost, each by itself, in one process after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from airflow_dirops.core import Stage, cut, gather, read_directory, work_shard
from benchmarks.stages import Notes
from benchmarks.work import read_bytes

T = TypeVar("T")

_WAIT_SECONDS = 0.02


def alone(source: Path, scratch: Path) -> None:
    """The stage without shards."""
    read_directory(source=source, target=scratch / "target", read=read_bytes, codec="bytes", durability="process")


def in_shards(source: Path, scratch: Path, *, shards: int) -> Notes:
    """The three calls, one after the other.

    :returns: the CPU of planning and of committing, in microseconds a file.
    """
    stage = Stage(source=source, target=scratch / "target", read=read_bytes, codec="bytes", durability="process")
    plan_seconds, planned = _timed(lambda: cut(stage, shards))
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    commit_seconds, outcome = _timed(lambda: gather(stage, planned, sealed))
    files = outcome.counts["inputs"]
    return {"plan CPU µs": 1e6 * plan_seconds / files, "commit CPU µs": 1e6 * commit_seconds / files}


def waiting(source: Path, scratch: Path, *, shards: int) -> None:
    """A function that waits, as for a service or another device, in so many threads."""
    how: dict[str, Any] = {}
    if shards > 1:
        how = {"shards": shards, "executor": ThreadPoolExecutor(shards)}
    read_directory(source=source, target=scratch / "target", read=_wait, codec="bytes", durability="process", **how)


def _wait(path: str) -> bytes:
    time.sleep(_WAIT_SECONDS)
    return read_bytes(path)


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    began = time.process_time()
    result = call()
    return time.process_time() - began, result
