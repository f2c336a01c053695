"""Wait for a manifest without occupying a worker."""

from __future__ import annotations

import asyncio
import os
from socket import gethostname
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dirops.core.errors import DiropsError, SetupError, StorageError, TransientError, is_exhaustion
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.triggers.conditions import Conditions, Finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class ManifestTrigger(BaseTrigger):
    """Fires once a target's manifest fulfils its conditions, or once it is clear that it cannot be read.

    The event is ``{"manifest": summary}`` or ``{"error": kind, "message": text}``.

    :param conditions: the fields of :class:`~airflow_dirops.triggers.conditions.Conditions`.
    :param landmark: a directory above the target that the worker saw; without it, waiting here is in vain.
    :param host: the worker's name, for the message.
    :param poll_interval: seconds between two looks.
    """

    def __init__(self, *, conditions: dict[str, Any], landmark: str, host: str, poll_interval: float = 10.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conditions = conditions
        self.landmark = landmark
        self.host = host
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to build this trigger again in the triggerer."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "conditions": self.conditions,
            "landmark": self.landmark,
            "host": self.host,
            "poll_interval": self.poll_interval,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; a look is one small file, and never in the event loop."""
        try:
            while (finding := await self._look_beside()).summary is None:
                self.log.info("Still waiting for %s: %s", shown(self.conditions["target"]), shown(finding.lacking))
                await asyncio.sleep(self.poll_interval)
            yield TriggerEvent({"manifest": finding.summary})  # type: ignore[no-untyped-call]
        except DiropsError as error:
            yield TriggerEvent({"error": _kind(error), "message": str(error)})  # type: ignore[no-untyped-call]

    async def _look_beside(self) -> Finding:
        try:
            return await asyncio.to_thread(self._look)
        except RuntimeError as error:
            if not is_exhaustion(error):
                raise
            # It serves many tasks, and will have a thread again; the sensor's own timeout bounds the wait.
            return Finding(lacking=f"the triggerer on {gethostname()} cannot look: {error}")

    def _look(self) -> Finding:
        finding = Conditions(**self.conditions).look()
        if finding.summary is None and not os.path.isdir(self.landmark):
            raise SetupError(
                f"the triggerer on {gethostname()} does not see {self.landmark!r}, which the worker on "
                f"{self.host} saw, so it would wait for {self.conditions['target']!r} in vain; mount that "
                'file system there, or set deferrable=False and mode="reschedule"'
            )
        return finding


def _kind(error: DiropsError) -> str:
    # a StorageError is made from a call and its answer, which a message alone cannot bring back
    return TransientError.kind if isinstance(error, StorageError) else error.kind
