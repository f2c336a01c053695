"""A stage that is killed at nine tenths of its files, and its retry."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

from airflow_dirops.core import read_directory
from benchmarks.work import read_image

_KILLED_AT = 0.9
_LONGEST_SECONDS = 3600


def whole(source: Path, scratch: Path, **options: Any) -> None:
    """Each call starts from nothing."""
    _stage(source, scratch / str(len(list(scratch.iterdir()))), options)


def retried(source: Path, scratch: Path, **options: Any) -> dict[str, float]:
    """The first call kills a stage, with no chance to clean up; the next one is its retry.

    :returns: of the retry, which share of the files it reused.
    """
    target = scratch / "interim"
    if not any(scratch.iterdir()):
        _kill_one(source, target, options)
        return {}
    counts = _stage(source, target, options).counts
    return {"reused %": 100 * counts["reused"] / counts["inputs"]}


def _stage(source: Path, target: Path, options: dict[str, Any]) -> Any:
    return read_directory(source=source, target=target, read=read_image, run="benchmark", **options)


def _kill_one(source: Path, target: Path, options: dict[str, Any]) -> None:
    wanted = _KILLED_AT * sum(1 for _ in source.iterdir())
    # Not forked: the fork would have the threads' locks, but not the threads.
    process = multiprocessing.get_context("spawn").Process(target=_stage, args=(source, target, options))
    process.start()
    finished, deadline = _Journal(target), time.monotonic() + _LONGEST_SECONDS
    while finished.count() < wanted and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.join()
    if target.exists():
        raise RuntimeError("the stage was too fast to be killed; take more files")


class _Journal:
    """The lines of an attempt's journal, counted as they come: one for each finished input."""

    def __init__(self, target: Path) -> None:
        self._attempts = target.parent / ".dirops" / target.name / "attempts"
        self._read = self._lines = 0

    def count(self) -> int:
        for path in self._attempts.glob("*/journal.jsonl"):
            with path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            self._read += len(new)
            self._lines += new.count(b"\n")
        return self._lines
