"""Tell Airflow's metrics what a stage came to: StatsD, Datadog or OpenTelemetry, as its configuration says."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats

from airflow_dirops.core.errors import DiropsError, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from airflow.sdk import Context

    from airflow_dirops.core import Outcome

RUNS = "dirops.runs"
SECONDS = "dirops.seconds"
COMPUTED = "dirops.computed"
QUARANTINED = "dirops.quarantined"
FILES = "dirops.files"
BYTES = "dirops.bytes"


class StageMetrics:
    """Measures a stage, and tells when it ends. What goes wrong with that hurts nothing.

    :param context: the task's context.
    :param stage: the stage's name.
    :param task_id: of the task, or of the group whose tasks are one stage.
    """

    def __init__(self, context: Context, stage: str, task_id: str) -> None:
        self._tags = {"dag_id": context["dag"].dag_id, "task_id": task_id, "stage": stage}
        self._began = time.monotonic()
        self._outcome: Outcome | None = None

    def ended(self, outcome: Outcome) -> None:
        """Take note of what the stage came to; a part of one that ends well without it has nothing to tell."""
        self._outcome = outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(Exception):
            self._tell(error)

    def _tell(self, error: BaseException | None) -> None:
        milliseconds = 1000 * (time.monotonic() - self._began)
        outcome = self._outcome if error is None else None
        if error is None and outcome is None:
            return
        tags: dict[str, str] = {"outcome": outcome.outcome} if outcome else _failure(error)
        self._send(stats.incr, RUNS, 1, tags, last=tags["outcome"])
        self._send(stats.timing, SECONDS, milliseconds)
        if outcome and outcome.outcome == "committed":
            self._send(stats.incr, COMPUTED, outcome.counts["computed"])
            self._send(stats.incr, QUARANTINED, outcome.counts["quarantined"])
            self._send(stats.gauge, FILES, outcome.counts["entries"])
            self._send(stats.gauge, BYTES, outcome.bytes)

    def _send(
        self, send: Callable[..., None], name: str, value: float, tags: dict[str, str] | None = None, last: str = ""
    ) -> None:
        """Send a value by its name; and, as Airflow does, by one that says all where a receiver knows no tags."""
        send(name, value, tags=self._tags | (tags or {}))
        if conf.getboolean("metrics", "legacy_names_on", fallback=True):
            task = (self._tags[part].replace(".", "__") for part in ("dag_id", "task_id"))
            long = ".".join((name, *task, *filter(None, [last])))
            send(stats.normalize_name_for_stats(long, log_warning=False), value)


def _failure(error: BaseException | None) -> dict[str, str]:
    if isinstance(error, Stopped):
        return {"outcome": "stopped"}
    return {"outcome": "failed", "kind": error.kind if isinstance(error, DiropsError) else type(error).__name__}
