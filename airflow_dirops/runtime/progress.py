"""Where a running stage is, told where people look: in the task's log, and in Airflow's task state store."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import CommsDecoder

from airflow_dirops.core.errors import Stopped
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.runtime.guard import in_reach

if TYPE_CHECKING:
    from types import TracebackType

    from airflow.sdk import Context

    from airflow_dirops.core import Progress

KEY = "dirops_progress"
"""The one key of the task state store."""

_FIRST_LINE_SECONDS = 10.0  # into the run; then after as long again, at most a minute
_LONGEST_BETWEEN_LINES = 60.0
_WRITE_EVERY_SECONDS = 5.0
# Airflow answers one request of a task after the other: of the time, no more than this part may go to these.
_PART_OF_THE_TIME = 0.05
_LONGEST_WAIT_SECONDS = 1.0
_LONGEST_NAME = 500

_log = logging.getLogger(__name__)


class ProgressTeller:
    """Tells Airflow where a stage is, and in the end what it came to. To be made before Airflow is out of reach.

    What goes wrong with that is said once in the log, and hurts the stage in no way. One value is under way at a
    time, in a thread of its own: an api-server that is slow gets fewer of them, and nothing waits for it but the last
    one, for a second.

    :param context: the task's context.
    """

    def __init__(self, context: Context) -> None:
        ti: Any = context["ti"]
        self._try_number = ti.try_number
        self._store: Any = context.get("task_state_store")
        # A task that runs in the same process as its supervisor, as in dag.test(), has a channel for one thread only.
        self._has_threads = isinstance(getattr(task_runner, "SUPERVISOR_COMMS", None), CommsDecoder)
        self._next_line = _FIRST_LINE_SECONDS
        self._next_write = _WRITE_EVERY_SECONDS
        self._writing: Thread | None = None
        self._pause = _WRITE_EVERY_SECONDS
        self._trouble: Exception | None = None
        self._has_told_trouble = False
        self._figures: dict[str, Any] = {}
        self._end: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end = self._end if error is None else None
        if end is None:
            end = {"state": "stopped" if isinstance(error, Stopped) else "failed"}
        with suppress(Exception):
            self._write_last({**end, **self._figures})

    def ended(self, state: str, snapshot: str | None = None) -> None:
        """Take note of what the stage, or this part of it, came to."""
        self._end = {"state": state, "snapshot": snapshot}

    def __call__(self, progress: Progress) -> None:
        """Tell where it is, if that was some time ago.

        :param progress: as the core gives it about once a second.
        """
        self._figures = _figures(progress)
        if progress.seconds >= self._next_line:
            self._next_line = progress.seconds + min(_LONGEST_BETWEEN_LINES, max(_FIRST_LINE_SECONDS, progress.seconds))
            _log.info("%s", _line(progress))
        if progress.seconds >= self._next_write and not self._is_writing:
            self._next_write = progress.seconds + self._pause
            self._write({"state": "running", **self._figures, **_outlook(progress)})

    @property
    def _is_writing(self) -> bool:
        return self._writing is not None and self._writing.is_alive()

    def _write_last(self, value: dict[str, Any]) -> None:
        deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
        if self._writing is not None:
            self._writing.join(_LONGEST_WAIT_SECONDS)
        if not self._is_writing:
            self._write(value)
            if self._writing is not None:
                self._writing.join(max(0.0, deadline - time.monotonic()))
        self._tell_trouble()

    def _write(self, value: dict[str, Any]) -> None:
        self._tell_trouble()
        if self._store is None:
            return
        value = {**value, "try_number": self._try_number, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        if not self._has_threads:
            self._set(value)
            return
        # One for each value, and no pool: those are waited for when the process ends.
        thread = Thread(target=self._set, args=(value,), name="dirops-progress", daemon=True)
        with suppress(RuntimeError):  # no more threads are to be had
            thread.start()
            self._writing = thread

    def _set(self, value: dict[str, Any]) -> None:
        began = time.monotonic()
        try:
            with in_reach():
                self._store.set(KEY, value)
        except Exception as error:
            self._trouble = error
        took = time.monotonic() - began
        self._pause = max(_WRITE_EVERY_SECONDS, took / _PART_OF_THE_TIME)

    def _tell_trouble(self) -> None:
        if self._trouble is not None and not self._has_told_trouble:
            self._has_told_trouble = True
            _log.info(
                "The progress of this stage cannot be shown in Airflow's task state, and the stage goes on: %s",
                shown(self._trouble, _LONGEST_NAME),
            )


def _figures(progress: Progress) -> dict[str, Any]:
    return {
        "done": progress.done,
        "total": progress.total,
        "quarantined": progress.quarantined,
        "seconds": round(progress.seconds, 1),
        "per_second": round(progress.per_second, 1),
    }


def _outlook(progress: Progress) -> dict[str, Any]:
    left = progress.seconds_left
    return {
        "seconds_left": None if left is None else round(left),
        "current": shown(progress.current, _LONGEST_NAME),
    }


def _line(progress: Progress) -> str:
    return (
        f"{progress.done} of {progress.total} inputs, {progress.per_second:.1f} a second, about "
        f"{progress.seconds_left or 0.0:.0f} s left, {progress.quarantined} quarantined; now at "
        f"{shown(progress.current)}"
    )
