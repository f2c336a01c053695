"""What a process and all that it started costs: CPU seconds, and memory at its peak."""

from __future__ import annotations

import ctypes
import os
import resource
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")


def adopt_orphans() -> None:
    """Keep what dead children leave running in this process's tree: Ray's and Airflow's processes, for two."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def cpu_seconds() -> float:
    """Of this process, of what it started, and of what those started; ended or not."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    ended = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return ended + sum(map(_cpu_of_live, _descendants(os.getpid())))


def own_peak_mib() -> float:
    return _peak_kib(os.getpid()) / 1024


class PeakMemory:
    """The peak of a process tree: that of each process, added up over those alive at the same time.

    Pages that processes share count for each of them, so this is never too little.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.mib = 0.0

    def look(self) -> None:
        """To be called often: a process that starts and ends between two calls is not seen."""
        kib = sum(map(_peak_kib, (self._pid, *_descendants(self._pid))))
        self.mib = max(self.mib, kib / 1024)


def _descendants(pid: int) -> Iterator[int]:
    children = defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children[int(fields[1])].append(int(name))
    waiting = list(children[pid])
    while waiting:
        child = waiting.pop()
        waiting += children[child]
        yield child


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/<pid>/stat`` after the name, which may hold anything; empty if the process is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _cpu_of_live(pid: int) -> float:
    return sum(map(int, _stat(pid)[11:15])) / _TICKS


def _peak_kib(pid: int) -> int:
    # Not ru_maxrss, which starts at the size of the process that this one was made from.
    with suppress(OSError):
        _, found, rest = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")
        return int(rest.split()[0]) if found else 0
    return 0
