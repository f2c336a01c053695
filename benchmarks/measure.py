"""One contender in one process of its own: what it costs once everything is imported.

It runs twice. The first time, untimed, it does a few files, so that every import, plug-in and cache is paid for;
or, where a rerun is what is measured, the very same work. ``python -m benchmarks.measure`` is that process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS
from benchmarks.processes import PeakMemory, adopt_orphans, cpu_seconds, own_peak_mib

_CHECKOUT = Path(__file__).parents[1]
_SECONDS_BETWEEN_LOOKS = 0.2
_SMALL_BYTES = 16 * 1024


class ContenderFailed(Exception):
    """A contender's process ended with an error; holds what it said."""


@dataclass(frozen=True)
class Sample:
    """CPU seconds of the whole process tree, wall seconds, the peaks of its processes added up, and what else it
    notes."""

    cpu: float
    wall: float
    peak_mib: float
    notes: dict[str, float]


def measure(contender: str, python: Path, source: Path, scratch: Path, *, warm_up: Path) -> Sample:
    """Run a contender once in a fresh process.

    :param python: that has what the contender needs.
    :param scratch: made, and left without what takes space.
    :param warm_up: the source of the first, untimed run; the same as ``source`` measures a rerun.
    """
    command = [python, "-m", "benchmarks.measure", contender, source, scratch, warm_up]
    said, answer = scratch / "said.txt", scratch / "sample.json"
    with said.open("wb") as log, subprocess.Popen(command, cwd=_CHECKOUT, stdout=log, stderr=log) as process:
        peak = PeakMemory(process.pid)
        while process.poll() is None:
            peak.look()
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    if process.returncode:
        raise ContenderFailed(f"{contender}: {said.read_text(errors='replace').strip()}")
    sample = Sample(**json.loads(answer.read_bytes()))
    _empty_big_files(scratch)
    return replace(sample, peak_mib=max(sample.peak_mib, peak.mib))


def _empty_big_files(folder: Path) -> None:
    # Removed, they would cost the next run: ext4 searches past every inode that was freed within five minutes,
    # which makes creating a file twenty times slower (``recently_deleted`` in fs/ext4/ialloc.c). Small ones are left
    # as they are: to free a block can take longer than it took to write it, where each is discarded on the disk.
    for directory, _, names in os.walk(folder):
        for path in (os.path.join(directory, name) for name in names):
            if os.path.getsize(path) > _SMALL_BYTES:
                os.chmod(path, 0o600)
                os.truncate(path, 0)


def _run(contender: str, source: Path, scratch: Path, warm_up: Path) -> Sample:
    adopt_orphans()
    work = _find(contender)
    place = scratch / "timed"
    first = place if warm_up == source else scratch / "warm-up"
    for folder in {first, place}:
        folder.mkdir(parents=True)
    work(warm_up, first)
    cpu, wall = cpu_seconds(), time.perf_counter()
    notes = work(source, place)
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    if callable(notes):  # what is looked at when the clock has stopped
        notes = notes()
    return Sample(cpu, wall, own_peak_mib(), notes or {})


def _find(contender: str) -> Callable[[Path, Path], Any]:
    if contender in PEERS:
        return PEERS[contender]
    # Here, since a peer's environment has nothing of ours.
    from benchmarks.contenders import CONTENDERS

    return CONTENDERS[contender]


def _main(contender: str, source: str, scratch: str, warm_up: str) -> None:
    sample = _run(contender, Path(source), Path(scratch), Path(warm_up))
    Path(scratch, "sample.json").write_text(json.dumps(asdict(sample)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
