"""Very many very small files: where the time goes, and that memory stays where it is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from unittest import mock

from airflow_dirops.core import open_snapshot, read_directory, upkeep
from airflow_dirops.core.places.directory.place import DirectoryClaim
from airflow_dirops.core.plan.plan import Plan
from airflow_dirops.core.source.bare import BareDirectory
from airflow_dirops.core.staging.area import StagingArea
from airflow_dirops.core.work.steps import Steps
from benchmarks.work import read_bytes

Notes = dict[str, float]

_PHASES: tuple[tuple[str, Any, str], ...] = (
    ("list s", BareDirectory, "list_inputs"),
    ("plan s", Plan, "survey"),
    ("work s", Steps, "take"),
    ("seal s", StagingArea, "seal"),
    ("commit ms", DirectoryClaim, "commit"),
)
"""Listing walks and spills sorted runs, the plan merges them, sealing sorts the journal and writes the lists."""


def many(source: Path, scratch: Path, **options: Any) -> Callable[[], Notes]:
    """A stage that copies bytes.

    :returns: what it took by phase; then a pass over the manifest, ``verify``, and a rerun with nothing new.
    """

    def run() -> None:
        read_directory(source=source, target=target, read=read_bytes, codec="bytes", durability="process", **options)

    target = scratch / "copies"
    with _phases() as seconds:
        run()

    def afterwards() -> Notes:
        _time(seconds, "manifest s", lambda: _walk(target))
        _time(seconds, "verify s", lambda: upkeep.verify(target))
        _time(seconds, "rerun s", run)
        return {name: 1000 * took if name.endswith("ms") else took for name, took in seconds.items()}

    return afterwards


def _walk(target: Path) -> None:
    with open_snapshot(target) as snapshot:
        for _ in snapshot:
            pass


@contextmanager
def _phases() -> Iterator[Counter[str]]:
    seconds: Counter[str] = Counter()
    with ExitStack() as stack:
        for name, owner, function in _PHASES:
            timed = _timed(seconds, name, getattr(owner, function))
            stack.enter_context(mock.patch.object(owner, function, timed))
        yield seconds


def _timed(seconds: Counter[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        return _time(seconds, name, lambda: function(*arguments, **options))

    return call


def _time(seconds: Counter[str], name: str, call: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    try:
        return call()
    finally:
        seconds[name] += time.perf_counter() - began
