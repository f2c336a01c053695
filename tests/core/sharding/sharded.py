"""A stage in shards, as some engine would run it; and what it leaves beside what the stage alone does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_dirops.core import Outcome, Stage, cut, gather, work_shard

LISTS = ("files.jsonl", "skipped.jsonl", "quarantine.jsonl")


def run_sharded(stage: Stage, shards: int) -> Outcome:
    """Cut, work on each shard, gather: each message as it comes out of an engine."""
    planned = cut(stage, shards)
    sealed = [work_shard(stage, shard.to_dict()) for shard in planned.shards]
    return gather(stage, planned.to_dict(), sealed)


def numbered_texts(folder: Path, count: int) -> Path:
    """A folder of so many small files, named by their numbers."""
    folder.mkdir()
    width = len(str(count - 1))
    for number in range(count):
        (folder / f"{number:0{width}}.txt").write_text(f"text {number}")
    return folder


def contents(target: Path) -> dict[str, bytes]:
    """Every file of a snapshot, with the lists of its manifest."""
    paths = (path for path in target.rglob("*") if path.is_file())
    found = {str(path.relative_to(target)): path.read_bytes() for path in paths}
    found.pop("_dirops/manifest.json", None)
    return found


def attempts_left(target: Path) -> list[str]:
    """The staging areas that are left beside a target."""
    return sorted(path.name for path in (target.parent / ".dirops" / target.name / "attempts").iterdir())


def stage_of(source: Path, target: Path, read: Callable[..., Any], **options: Any) -> Stage:
    return Stage(source=source, target=target, read=read, codec="bytes", stage="sharded", **options)
