"""Look at attempts from outside: who they are, whether they are at work, and how far they are. Nothing is written.

Whether an attempt is at work is tried with its lock, shared and for an instant, under the target's lock: so nobody who
takes it as he should finds it taken.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_dirops.core.disk.documents import read_document
from airflow_dirops.core.disk.held import open_regular
from airflow_dirops.core.errors import ManifestDamaged, StorageError
from airflow_dirops.core.format.control import Expected
from airflow_dirops.core.format.lines import BLOCK_BYTES
from airflow_dirops.core.place.place import AttemptSeen
from airflow_dirops.core.places.directory.alive import FOREIGN_HOST_GRACE_SECONDS, may_be_out_of_sight, read_owner
from airflow_dirops.core.places.directory.areas import list_attempts
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.holder import Holder
from airflow_dirops.core.places.directory.open_claims import OpenClaims
from airflow_dirops.core.staging.area import EXPECTED
from airflow_dirops.core.staging.journal import Journal

_TRIES = 25
_PAUSE_SECONDS = 0.02
_STATES = ("carried", "skipped", "quarantined")
# As a line has it: what a name or a message quotes has backslashes before its quotes.
_MARKS = {state: b'"state":"%b"' % state.encode() for state in _STATES}


def look_at_attempts(control: ControlDirectory) -> list[AttemptSeen]:
    """The attempts that have left anything, the latest first."""
    attempts = list(reversed(list_attempts(control.attempts)))
    if not attempts:
        return []
    with _quietly_locked(control.path / "lock") as is_locked:
        at_work = {attempt: any(_is_at_work(area, is_locked) for area in areas) for attempt, areas in attempts}
    claims = OpenClaims(control)
    return [
        _seen(attempt, areas, at_work[attempt], (claims.open_until(attempt, areas) or 0) > time.time())
        for attempt, areas in attempts
    ]


def _seen(attempt: str, areas: list[Path], is_at_work: bool, is_open: bool) -> AttemptSeen:
    states: Counter[str] = Counter()
    for area in areas:
        states.update(_count(area / Journal.NAME))
    expected = [planned for area in areas if (planned := _expected(area)) is not None]
    return AttemptSeen(
        attempt=attempt,
        owner=next((owner for area in areas if (owner := read_owner(area)) is not None), None),
        is_at_work=is_at_work,
        is_open=is_open and not is_at_work,
        last_work=max((_last_work(area) for area in areas), default=0.0),
        expected=sum(expected) if expected else None,
        lines=states["lines"],
        carried=states["carried"],
        skipped=states["skipped"],
        quarantined=states["quarantined"],
    )


@contextmanager
def _quietly_locked(path: Path) -> Iterator[bool]:
    """Hold the target's lock for an instant, without a word in it; False where that cannot be."""
    try:
        descriptor = open_regular(path)
    except OSError:
        yield False
        return
    try:
        yield _acquired(descriptor)
    finally:
        os.close(descriptor)


def _acquired(descriptor: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        except OSError:  # over NFS only who may write may lock
            return False
        else:
            return True
    return False


def _is_at_work(area: Path, may_try: bool) -> bool:
    try:
        descriptor = open_regular(area / "alive")
    except OSError:
        return False
    try:
        if may_try and _is_free(descriptor):
            return _is_seen_elsewhere(area, descriptor)
        holder = Holder.read(descriptor)
        return not holder.is_gone if holder else may_try
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _is_seen_elsewhere(area: Path, descriptor: int) -> bool:
    """Whether its process runs on another machine, whose locks may not be seen, and has shown life of late."""
    owner = read_owner(area)
    if owner is None or not may_be_out_of_sight(owner):
        return False
    return time.time() < os.fstat(descriptor).st_mtime + FOREIGN_HOST_GRACE_SECONDS


def _expected(area: Path) -> int | None:
    with suppress(ManifestDamaged, StorageError):
        found = read_document(area / EXPECTED, Expected)
        return found.inputs if found else None
    return None


def _count(journal: Path) -> Counter[str]:
    """How many lines it has, and how many of each state; a million in a fraction of a second."""
    counts: Counter[str] = Counter()
    rest = b""
    with suppress(OSError), open(open_regular(journal), "rb") as file:
        while block := file.read(BLOCK_BYTES):
            whole, end, rest_of_block = (rest + block).rpartition(b"\n")
            rest = rest_of_block
            if end:
                counts["lines"] += whole.count(b"\n") + 1
                counts.update({state: whole.count(mark) for state, mark in _MARKS.items()})
    return counts


def _last_work(area: Path) -> float:
    times = []
    for name in ("alive", Journal.NAME):
        with suppress(OSError):
            times.append(os.lstat(area / name).st_mtime)
    return max(times, default=0.0)
