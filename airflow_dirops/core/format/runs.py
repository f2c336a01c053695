"""Who is trying: the logical run that a scheduler retries, and the single attempt."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from math import inf
from uuid import UUID

import msgspec
import uuid6

from airflow_dirops.core.format.manifest import AttemptRecord
from airflow_dirops.core.format.members import UNDECODABLE, Number, Text


class LogicalRun(msgspec.Struct, frozen=True):
    """What a scheduler retries: the same for every try of one task in one run."""

    dag_id: Text = ""
    run_id: Text = ""
    task_id: Text = ""
    map_index: Number = -1

    @property
    def fence_key(self) -> str:
        return msgspec.json.encode((self.dag_id, self.run_id, self.task_id, self.map_index)).decode()

    @classmethod
    def of(cls, record: AttemptRecord) -> LogicalRun:
        """Of what a manifest says about its attempt."""
        return cls(record.dag_id, record.run_id, record.task_id, record.map_index)

    @classmethod
    def of_fence_key(cls, key: str) -> LogicalRun | None:
        """The run that a line of the fence is about; None if that is no line of ours."""
        with suppress(*UNDECODABLE):
            return cls(*msgspec.json.decode(key, type=tuple[str, str, str, int]))
        return None

    def __str__(self) -> str:
        name = ".".join(filter(None, (self.dag_id, self.task_id))) or "a run outside Airflow"
        mapped = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{name}{mapped} (run {self.run_id!r})"


def new_id() -> str:
    """A unique id that sorts by time."""
    return str(uuid6.uuid7())


def time_of(made: str) -> str:
    """When :func:`new_id` made an id: UTC, ISO 8601."""
    return shown_time(_seconds_of(UUID(made)))


def began_at(attempt: str) -> float:
    """When an attempt was made, in seconds since the epoch, by its id; long ago where somebody else made that."""
    identity = UUID(attempt)
    return _seconds_of(identity) if identity.version == 7 else -inf


def _seconds_of(identity: UUID) -> float:
    return (identity.int >> 80) / 1000  # RFC 9562, 5.7


def shown_time(seconds: float) -> str:
    """A time for messages: UTC, ISO 8601; in words where no calendar has it, as of an id that somebody else made.

    :param seconds: since the epoch.
    """
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    return "a time that cannot be told"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a target.

    :param try_number: counts up within a logical run, across clears too; 0 where nobody but the fence counts.
    :param first_try_number: the first try since the user last cleared the task.
    :param ti_id: new at every try and every clear; sorts by time.
    :param order: sorts by the time this run stands for, for ``on_conflict="newest"``.
    """

    run: LogicalRun
    try_number: int = 1
    first_try_number: int = 1
    ti_id: str = msgspec.field(default_factory=new_id)
    order: str = ""
    # Not the ti_id: a scheduler may start one try twice.
    id: str = msgspec.field(default_factory=new_id)

    @classmethod
    def outside_airflow(cls, stage: str, run: str | None) -> Attempt:
        """An attempt of a script; calls that name the same run are tries of it, counted when they claim the target."""
        return cls(run=LogicalRun(run_id=run or new_id(), task_id=stage), try_number=0)

    def record(self) -> AttemptRecord:
        return AttemptRecord(
            id=self.id,
            dag_id=self.run.dag_id,
            run_id=self.run.run_id,
            task_id=self.run.task_id,
            map_index=self.run.map_index,
            try_number=self.try_number,
            ti_id=self.ti_id,
            order=self.order,
        )
