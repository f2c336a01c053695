"""One contender in one process of its own: what it costs once everything is imported.

It runs twice. The first time, untimed, it does a few files, so that every import, plug-in and cache is paid for;
or, where a rerun is what is measured, the very same work. ``python -m benchmarks.measure`` is that process.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """CPU seconds of the whole process tree, wall seconds, the peak of the largest process, and what else it notes."""

    cpu: float
    wall: float
    peak_mib: float
    notes: dict[str, float]


def measure(contender: str, source: Path, scratch: Path, *, warm_up: Path) -> Sample:
    """Run a contender once in a fresh process.

    :param scratch: made, and left without content.
    :param warm_up: the source of the first, untimed run; the same as ``source`` measures a rerun.
    """
    command = [sys.executable, "-m", "benchmarks.measure", contender, source, scratch, warm_up]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    _empty_files(scratch)
    return Sample(**json.loads(answer))


def _empty_files(folder: Path) -> None:
    # Removed, they would cost the next run: ext4 searches past every inode that was freed within five minutes,
    # which makes creating a file twenty times slower (``recently_deleted`` in fs/ext4/ialloc.c).
    for directory, _, names in os.walk(folder):
        for path in (Path(directory, name) for name in names):
            path.chmod(0o600)
            os.truncate(path, 0)


def _run(contender: str, source: Path, scratch: Path, warm_up: Path) -> Sample:
    # Here, so that the parent, which may be asked for its memory too, stays small.
    from benchmarks.contenders import CONTENDERS

    work = CONTENDERS[contender]
    place = scratch / "timed"
    first = place if warm_up == source else scratch / "warm-up"
    for folder in {first, place}:
        folder.mkdir(parents=True)
    work(warm_up, first)
    cpu, wall = _cpu_seconds(), time.perf_counter()
    notes = work(source, place)
    return Sample(_cpu_seconds() - cpu, time.perf_counter() - wall, _peak_mib(), notes or {})


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_mib() -> float:
    # Not ru_maxrss, which starts at the size of the process that this one was made from.
    status = Path("/proc/self/status").read_text()
    own = int(status.partition("VmHWM:")[2].split()[0])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


if __name__ == "__main__":
    print(json.dumps(asdict(_run(sys.argv[1], *map(Path, sys.argv[2:])))))
