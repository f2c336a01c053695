"""How many CPUs this process may use, and how many threads a worker's native libraries may start."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from threadpoolctl import threadpool_limits

# For libraries that a worker loads later; each reads its own variable once, as it is loaded.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)


def available_cpus() -> int:
    """The CPUs that this process may use: its affinity, and the quota of its cgroup rounded up."""
    membership = ""
    with suppress(OSError):
        membership = Path("/proc/self/cgroup").read_text()
    return max(1, min(_schedulable_cpus(), _quota(Path("/sys/fs/cgroup"), membership)))


def limit_native_threads(limit: int) -> None:
    """Keep BLAS, OpenMP and OpenCV in this process to a number of threads, also those that are loaded later."""
    for name in _THREAD_VARIABLES:
        os.environ.setdefault(name, str(limit))
    threadpool_limits(limits=limit)
    if opencv := sys.modules.get("cv2"):
        opencv.setNumThreads(limit)


def _schedulable_cpus() -> int:
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(root: Path, membership: str) -> int:
    """The smallest quota of the process's cgroup and those around it, of version 1 or 2.

    :param membership: what ``/proc/self/cgroup`` says: a line ``id:controllers:path`` per hierarchy.
    """
    limits = [limit for folder in _cgroups(root, membership) if (limit := _limit_of(folder)) is not None]
    return math.ceil(min(limits, default=math.inf)) if limits else sys.maxsize


def _cgroups(root: Path, membership: str) -> Iterator[Path]:
    for line in membership.splitlines():
        number, controllers, path = line.split(":", 2)
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        mounts = (root, root / "unified") if number == "0" else (root / controllers, root / "cpu")
        # Inside a container the path may be the host's; its own group is then the root of the mount.
        relative = PurePosixPath(path.lstrip("/"))
        for mount in mounts:
            yield from (mount / folder for folder in (relative, *relative.parents))


def _limit_of(folder: Path) -> float | None:
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):
        quota = (folder / "cpu.cfs_quota_us").read_text()
        return None if int(quota) < 0 else int(quota) / int((folder / "cpu.cfs_period_us").read_text())
    return None
