"""Which dated folder a run works on: what the run says of it, and which of that decides.

"Partition" here is one folder of a stage. It gets its name from Airflow's partition key where the run
has one, and from the trigger form or the logical date where it has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_dirops.calendar.checks import check_partition, malformed
from airflow_dirops.calendar.formats import DAILY, last_ended, read_name, tells_hours, write_name
from airflow_dirops.core.errors import ArgumentRefused


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a run says of its partition, in the order in which it decides.

    :param key: the run's partition key.
    :param param: ``params["partition"]``.
    :param day: the logical date, in the timezone of the schedule.
    :param due: the last partition that was due when the run was asked for by hand.
    :param in_backfill: whether the run is one of a backfill, whose form is the same for all of its days.
    """

    key: str | None = None
    param: Any = None
    day: datetime | None = None
    due: str | None = None
    in_backfill: bool = False

    @property
    def names_one(self) -> bool:
        """Whether somebody named the partition, rather than a clock."""
        return self.key is not None or self.param not in (None, "")


def resolve_partition(said: Said, partition_format: str | None = DAILY) -> tuple[str, str | None]:
    """Decide a run's partition: its partition key, the trigger form's field, the logical date, or the last one due.

    :param said: what the run says.
    :param partition_format: the form that dates must have; None takes any safe relative name.
    :returns: the partition, and what is worth a line in the log.
    """
    param = None if said.param in (None, "") else _named_by_form(said.param, partition_format)
    if said.key is not None:
        remark = _second_to_key(said, param)
        return check_partition(said.key, "the run's partition key", partition_format), remark
    if param is not None:
        return param, None
    if said.day is not None:
        return _written(said.day, "the logical date", partition_format), None
    if said.due is not None:
        return check_partition(said.due, "the last partition that was due", partition_format), (
            f"this run names no partition: it works on {said.due!r}, the last that had ended when it was triggered"
        )
    raise ArgumentRefused(
        "this run names no partition: it has no partition key, no partition in its params and no logical date. "
        "Trigger it with a partition key, give the DAG params=dirops_params() and fill in the form, or set partition= "
        "on the operator"
    )


def due_partition(now: datetime, partition_format: str | None) -> str | None:
    """The last partition that had ended at a time, where no schedule of ours knows.

    :param now: what a clock showed in the DAG's timezone, with that zone.
    :param partition_format: the form of the names; names that are no dates have no last one.
    """
    return None if partition_format is None else last_ended(now, partition_format)


def _second_to_key(said: Said, param: str | None) -> str | None:
    if param is None or param == said.key:
        return None
    if said.in_backfill:
        return f"the form of this backfill says partition={said.param!r}; each of its runs works on its own"
    raise ArgumentRefused(
        f"this run has the partition key {said.key!r}, but its params say partition={said.param!r}. "
        "Leave the field empty, or trigger a run for the other partition"
    )


def _named_by_form(param: Any, partition_format: str | None) -> str:
    # a form may pick a date where folders are named otherwise: the one that the date lies in is meant
    if partition_format is None or partition_format == DAILY or not isinstance(param, str):
        return check_partition(param, 'params["partition"]', partition_format)
    if malformed(param, partition_format) and not tells_hours(partition_format):
        try:
            return write_name(read_name(param, DAILY), partition_format)
        except ValueError:
            pass
    return check_partition(param, 'params["partition"]', partition_format)


def _written(moment: datetime, origin: str, partition_format: str | None) -> str:
    partition_format = partition_format or DAILY
    return check_partition(write_name(moment, partition_format), origin, partition_format)
