"""Wait for something on a file system without occupying a worker."""

from __future__ import annotations

import asyncio
import os
from abc import abstractmethod
from socket import gethostname
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dirops.core.errors import DiropsError, SetupError, StorageError, TransientError, is_exhaustion
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.triggers.finding import Awaited, Finding
from airflow_dirops.triggers.looking import look_beside

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class WaitingTrigger(BaseTrigger):
    """Fires once what is waited for is there, or once it is clear that it cannot come.

    The event is ``{"found": summary}`` or ``{"error": kind, "message": text}``.

    :param conditions: the fields of what is waited for.
    :param landmark: a directory above it that the worker saw; without it, waiting here is in vain.
    :param host: the worker's name, for the message.
    :param poll_interval: seconds between two looks.
    :param memory: what the worker's look gave.
    """

    def __init__(
        self,
        *,
        conditions: dict[str, Any],
        landmark: str,
        host: str,
        poll_interval: float = 10.0,
        memory: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conditions = conditions
        self.landmark = landmark
        self.host = host
        self.poll_interval = poll_interval
        self.memory = memory or {}

    @abstractmethod
    def awaited(self) -> Awaited:
        """What is waited for, built again from its fields."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to build this trigger again in the triggerer."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "conditions": self.conditions,
            "landmark": self.landmark,
            "host": self.host,
            "poll_interval": self.poll_interval,
            "memory": self.memory,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again, and never in the event loop."""
        try:
            awaited = self.awaited()
            while (finding := await self._look_beside(awaited)).summary is None:
                self.log.info("Still waiting for %s: %s", shown(awaited.place), shown(finding.lacking))
                self.memory = finding.memory
                await asyncio.sleep(self.poll_interval)
            yield TriggerEvent({"found": finding.summary})  # type: ignore[no-untyped-call]
        except DiropsError as error:
            yield TriggerEvent({"error": _kind(error), "message": str(error)})  # type: ignore[no-untyped-call]

    async def _look_beside(self, awaited: Awaited) -> Finding:
        def tell_of_stall(seconds: float) -> None:
            self.log.warning(
                "A look at %s has taken %.0f s and has not come back; is its file system stalled? Waiting goes on",
                shown(awaited.place),
                seconds,
            )

        try:
            return await look_beside(lambda: self._look(awaited), on_stall=tell_of_stall)
        except RuntimeError as error:
            if not is_exhaustion(error):
                raise
            # It serves many tasks, and will have a thread again; the sensor's own timeout bounds the wait.
            lacking = f"the triggerer on {gethostname()} cannot look: {error}"
            return Finding(lacking=lacking, memory=self.memory)

    def _look(self, awaited: Awaited) -> Finding:
        finding = awaited.look(self.memory)
        if finding.summary is None and not os.path.isdir(self.landmark):
            raise SetupError(
                f"the triggerer on {gethostname()} does not see {self.landmark!r}, which the worker on "
                f"{self.host} saw, so it would wait for {awaited.place!r} in vain; mount that "
                'file system there, or set deferrable=False and mode="reschedule"'
            )
        return finding


def _kind(error: DiropsError) -> str:
    # a StorageError is made from a call and its answer, which a message alone cannot bring back
    return TransientError.kind if isinstance(error, StorageError) else error.kind
