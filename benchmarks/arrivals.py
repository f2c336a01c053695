"""A watcher over many hourly folders: what a round costs, and how long it keeps the triggerer's event loop waiting.

``python -m benchmarks.arrivals --folders 10000``
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import time
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

_HOUR = "%Y-%m-%dT%H"
_ROUNDS = 10
_TICK = 0.001


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrivals", description=__doc__)
    parser.add_argument("--folders", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=3, help="in each of them, besides the marker")
    parser.add_argument("--workdir", type=Path, help="where the folders are made; removed again")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="arrivals-", dir=arguments.workdir) as root:
        _make(Path(root), arguments.folders, arguments.files)
        print("| what | CPU s | wall s | longest wait of the event loop, ms | memory, MiB |")
        print("| --- | ---: | ---: | ---: | ---: |")
        asyncio.run(_measure(Path(root), arguments.folders))


async def _measure(root: Path, folders: int) -> None:
    from airflow_dirops.triggers.arrivals import ArrivalsTrigger

    process = psutil.Process()
    before = process.memory_info().rss
    watched = {"directory": f"{root}/{{partition}}", "partition_format": _HOUR, "kind": "folder"}
    trigger = ArrivalsTrigger(watched={**watched, "rules": {"marker": "_READY"}}, asset="seen", poll_interval=0.0)
    rounds = trigger.open_shared_stream(trigger.serialize()[1])
    waits = asyncio.create_task(_waits())
    samples = []
    async for states in rounds:
        if len(states) != folders:
            raise RuntimeError(f"{len(states)} of {folders} folders were seen")
        samples.append((time.process_time(), time.perf_counter()))
        if len(samples) == _ROUNDS + 1:
            break
    waits.cancel()
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(samples)]
    _row(f"a round over {folders:,} folders, median of {_ROUNDS}", steps, max(_LONGEST), process, before)
    _LONGEST.clear()
    waits = asyncio.create_task(_waits())
    began = (time.process_time(), time.perf_counter())
    async for event in trigger.filter_shared_stream(_once(states)):
        if event.payload["count"] != folders:
            raise RuntimeError(f"{event.payload['count']} of {folders} folders were ready")
        break
    waits.cancel()
    step = (time.process_time() - began[0], time.perf_counter() - began[1])
    _row("and a first look into each of them", [step], max(_LONGEST), process, before)


def _row(what: str, steps: list[tuple[float, float]], wait: float, process: Any, before: int) -> None:
    cpu, wall = (statistics.median(step[place] for step in steps) for place in (0, 1))
    grown = (process.memory_info().rss - before) / 2**20
    print(f"| {what} | {cpu:.2f} | {wall:.2f} | {1000 * wait:.0f} | +{grown:.0f} |", flush=True)


_LONGEST: list[float] = []


async def _waits() -> None:
    """How much later than asked for the loop comes back."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(_TICK)
        _LONGEST.append(time.perf_counter() - began - _TICK)


async def _once(states: dict[str, str]) -> Any:
    yield states


def _make(root: Path, folders: int, files: int) -> None:
    for number in range(folders):
        folder = root / (datetime(2026, 1, 1) + timedelta(hours=number)).strftime(_HOUR)
        folder.mkdir()
        for name in (*(f"img_{count}.png" for count in range(files)), "_READY"):
            (folder / name).touch()


if __name__ == "__main__":
    main()
