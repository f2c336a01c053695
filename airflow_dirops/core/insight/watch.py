"""How far a running attempt is, seen from outside: from another process, and on a shared disk from another machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from airflow_dirops.core.errors import ManifestDamaged, ManifestMissing, ManifestTooNew, remaining_storage_errors
from airflow_dirops.core.format.runs import began_at, shown_time, time_of
from airflow_dirops.core.place.place import AttemptSeen, Place
from airflow_dirops.core.places import place_of
from airflow_dirops.core.stage.locations import checked_path

AttemptState = Literal["at work", "open", "dead"]
WatchedState = Literal["idle", "at work", "committed", "died"]

_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class WatchedAttempt:
    """An attempt that has not committed.

    :param attempt: its id.
    :param state: ``at work``; ``open`` where no process is, and others may go on with its claim; ``dead`` where it
        failed or was killed: the next run takes what it has finished.
    :param began: when, UTC.
    :param last_work: when it was last seen at work, UTC, by the clock of the disk.
    :param dag_id: of its run; empty outside Airflow, as ``task_id`` may be.
    :param host: the machine that it runs on; empty where it died before it could say so, as ``process`` is None.
    :param done: how many inputs are through; carried over, skipped and quarantined ones among them.
    :param total: how many there are; None before it has planned.
    :param per_second: of the inputs that are through, since it began; while it is watched, of late.
    :param seconds_left: at that rate; None where that cannot be told.
    """

    attempt: str
    state: AttemptState
    began: str
    last_work: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    host: str
    process: int | None
    done: int
    carried: int
    skipped: int
    quarantined: int
    total: int | None
    per_second: float
    seconds_left: float | None


@dataclass(frozen=True)
class Watched:
    """What goes on at a target.

    :param state: ``at work``; ``idle`` where nobody is; and, in the end, ``committed`` or ``died``.
    :param snapshot: the id of what is there now.
    :param attempts: those that have not committed, the latest first.
    """

    target: str
    state: WatchedState
    snapshot: str | None
    attempts: tuple[WatchedAttempt, ...]

    @property
    def at_work(self) -> WatchedAttempt | None:
        """The latest attempt that is at work."""
        return next((each for each in self.attempts if each.state == "at work"), None)


def look_at(target: str | os.PathLike[str]) -> Watched:
    """Who is at work at a target, or has died at it, and how far each has come. Takes no time that counts.

    Also of a target that is not there yet: then nobody is.
    """
    path = checked_path("target", target)
    with remaining_storage_errors(path):
        place = place_of(path)
        now = time.time()
        attempts = tuple(_watched(each, now) for each in place.list_attempts())
        is_at_work = any(each.state == "at work" for each in attempts)
        return Watched(path, "at work" if is_at_work else "idle", _current(place)[0], attempts)


def watch(target: str | os.PathLike[str], *, every: float = _EVERY_SECONDS) -> Iterator[Watched]:
    """Look at a target again and again, until nobody is at work there; the last look says what it came to.

    Where nobody is at work to begin with, that is the only look, and its state is ``idle``.

    :param every: how many seconds are between two looks.
    """
    looked = look_at(target)
    while looked.at_work is not None:
        yield looked
        before, since = looked.at_work, time.monotonic()
        time.sleep(every)
        looked = _with_rate(look_at(target), before, time.monotonic() - since)
        if looked.at_work is None:
            yield replace(looked, state=_came_to(looked, before))
            return
    yield looked


def _came_to(looked: Watched, before: WatchedAttempt) -> WatchedState:
    _, attempt = _current(place_of(looked.target))
    return "committed" if attempt == before.attempt else "died"


def _current(place: Place) -> tuple[str | None, str | None]:
    """The id of what is there, and of the attempt that made it."""
    with suppress(ManifestMissing, ManifestDamaged, ManifestTooNew):
        manifest = place.read_header()
        return manifest.snapshot, manifest.attempt.id
    return None, None


def _with_rate(looked: Watched, before: WatchedAttempt, seconds: float) -> Watched:
    """With the rate since the look before, where the same attempt is at work still."""
    now = looked.at_work
    if now is None or now.attempt != before.attempt or now.done <= before.done or seconds <= 0:
        return looked
    rate = (now.done - before.done) / seconds
    faster = replace(now, per_second=round(rate, 3), seconds_left=_left(now.done, now.total, rate))
    return replace(looked, attempts=tuple(faster if each is now else each for each in looked.attempts))


def _watched(seen: AttemptSeen, now: float) -> WatchedAttempt:
    owner = seen.owner
    run = owner.run if owner else None
    seconds = now - began_at(seen.attempt)
    rate = seen.lines / seconds if seconds > 0 else 0.0
    state: AttemptState = "at work" if seen.is_at_work else "open" if seen.is_open else "dead"
    return WatchedAttempt(
        attempt=seen.attempt,
        state=state,
        began=time_of(seen.attempt),
        last_work=shown_time(seen.last_work),
        dag_id=run.dag_id if run else "",
        run_id=run.run_id if run else "",
        task_id=run.task_id if run else "",
        map_index=run.map_index if run else -1,
        try_number=owner.try_number if owner else 0,
        host=owner.host if owner else "",
        process=owner.process if owner else None,
        done=seen.lines,
        carried=seen.carried,
        skipped=seen.skipped,
        quarantined=seen.quarantined,
        total=seen.expected,
        per_second=round(rate, 3),
        seconds_left=_left(seen.lines, seen.expected, rate) if seen.is_at_work else None,
    )


def _left(done: int, total: int | None, rate: float) -> float | None:
    if total is None or rate <= 0:
        return None
    return round(max(0, total - done) / rate, 1)
