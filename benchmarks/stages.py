"""Our stages, doing what the loops do."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

from airflow_dirops.core import read_directory, transform_directory
from airflow_dirops.core.places.directory.place import DirectoryClaim
from benchmarks.work import double, logistic_map, read_bytes, read_image, red_channel, same

Notes = dict[str, float]


def images_by_stages(source: Path, scratch: Path, **options: Any) -> None:
    read_directory(source=source, target=scratch / "interim", read=read_image, **options)
    transform_directory(source=scratch / "interim", target=scratch / "final", transform=red_channel, **options)


def python_by_stage(source: Path, scratch: Path, **options: Any) -> None:
    transform_directory(source=source, target=scratch / "results", transform=logistic_map, **options)


def python_in_shards(source: Path, scratch: Path, *, shards: int) -> None:
    """The same in so many shards, each in a process of its own."""
    with ProcessPoolExecutor(shards) as executor:
        python_by_stage(source, scratch, durability="process", shards=shards, executor=executor)


def arrays_by_stage(source: Path, scratch: Path, **options: Any) -> None:
    transform_directory(source=source, target=scratch / "doubled", transform=double, **options)


def copies_by_stage(source: Path, scratch: Path, **options: Any) -> None:
    transform_directory(source=source, target=scratch / "copies", transform=same, **options)


def nothing_new_by_stage(source: Path, scratch: Path) -> None:
    """The first call commits, the next one finds nothing to do."""
    _copy_bytes(source, scratch / "copies")


def nothing_new_in_a_snapshot(source: Path, scratch: Path) -> None:
    """The same with a second stage, whose source is the snapshot that the first one committed."""
    if not (scratch / "copies").exists():
        _copy_bytes(source, scratch / "copies")
    transform_directory(
        source=scratch / "copies", target=scratch / "again", transform=same, codec="bytes", durability="process"
    )


def _copy_bytes(source: Path, target: Path) -> None:
    read_directory(source=source, target=target, read=read_bytes, codec="bytes", durability="process")


def commit_again(source: Path, scratch: Path) -> Notes:
    """Notes how long the commit itself takes, lock, swap, syncs and retiring the old snapshot included."""
    seconds = 0.0

    def timed(*arguments: Any) -> Any:
        nonlocal seconds
        began = time.perf_counter()
        answer = commit(*arguments)
        seconds = time.perf_counter() - began
        return answer

    commit = DirectoryClaim.commit
    with mock.patch.object(DirectoryClaim, "commit", timed):
        arrays_by_stage(source, scratch, redo="all", durability="process")
    return {"commit ms": seconds * 1000}
