"""Which dated folder a run works on: the schedule, the trigger form, and what decides between them.

"Partition" here is one folder of a stage. It gets its name from Airflow's partition key where the run
has one, and from the trigger form or the logical date where it has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_dirops.calendar.formats import (
    DAILY,
    HOURLY,
    MONTHLY,
    WEEKLY,
    example_name,
    fault_of,
    fault_with,
    last_ended,
    read_name,
    tells_hours,
    unsafe,
    write_name,
)
from airflow_dirops.core.errors import ArgumentRefused

if TYPE_CHECKING:
    from airflow.sdk import Param
    from pendulum.tz.timezone import FixedTimezone, Timezone

    from airflow_dirops.calendar.timetables import PartitionTimetable

FROM_SCHEDULE = "schedule"
"""The format of the DAG's schedule, where that has one; else that of days."""

FORM_MARK = "x-dirops"
"""A member of the schema of each of the form's fields, which tells it from an author's own of the same name."""

DRY_RUN = "Dry run: only planned, nothing was written"
"""How a run, a task and a log say so."""


def daily_partitions(
    cron: str,
    *,
    timezone: str | Timezone | FixedTimezone | None = None,
    run_offset: int = -1,
    run_immediately: bool = False,
    partition_format: str = DAILY,
) -> PartitionTimetable:
    """Run on a cron schedule for each day once: its partition key is the day, ``2026-11-01``.

    ``schedule=daily_partitions("0 2 * * *")`` runs at two at night for the day that has just ended, as the
    folder of the new day holds two hours yet. Days are the calendar's, also where clocks change. Where cron leaves
    out a day, the days that have ended meanwhile run one by one at its next tick: with ``0 2 * * 1-5`` on a Monday
    Friday, Saturday and Sunday. Further ticks on one day find nothing to start. A backfill names the days themselves.

    :param cron: when to run, as a cron expression or preset.
    :param timezone: where the cron expression and the days are meant; Airflow's default if left out.
    :param run_offset: the day to run for, counted from the one on which it may run: -1 is the day before, which has
        ended; 0 is that day itself.
    :param run_immediately: whether a DAG without ``start_date`` runs at once when it is first switched on.
    :param partition_format: how a day's folder is named, as in ``strftime``; stages, sensors and the form follow.
    :raises ArgumentRefused: if the format writes what it cannot read, or two days share a folder.
    """
    return _partitions("day", cron, timezone, run_offset, run_immediately, partition_format)


def hourly_partitions(
    cron: str,
    *,
    timezone: str | Timezone | FixedTimezone | None = None,
    run_offset: int = -1,
    run_immediately: bool = False,
    partition_format: str = HOURLY,
) -> PartitionTimetable:
    """Run on a cron schedule for each hour once: its partition key is the hour, ``2026-11-01T13``.

    ``schedule=hourly_partitions("5 * * * *")`` runs five minutes after each hour, for the hour that has ended. Where
    clocks are put back an hour comes twice: there the format must have the offset in it, ``%Y-%m-%dT%H%z``.
    Otherwise as :func:`daily_partitions`.

    :param cron: when to run, as a cron expression or preset.
    :param timezone: where the cron expression and the hours are meant; Airflow's default if left out.
    :param run_offset: the hour to run for, counted from the one in which it may run: -1 is the one before, which has
        ended; 0 is that one itself.
    :param run_immediately: whether a DAG without ``start_date`` runs at once when it is first switched on.
    :param partition_format: how an hour's folder is named, as in ``strftime``; stages, sensors and the form follow.
    :raises ArgumentRefused: if the format writes what it cannot read, or two hours share a folder.
    """
    return _partitions("hour", cron, timezone, run_offset, run_immediately, partition_format)


def weekly_partitions(
    cron: str,
    *,
    timezone: str | Timezone | FixedTimezone | None = None,
    run_offset: int = -1,
    run_immediately: bool = False,
    partition_format: str = WEEKLY,
) -> PartitionTimetable:
    """Run on a cron schedule for each week of ISO 8601 once: its partition key is the week, ``2026-W45``.

    ``schedule=weekly_partitions("0 2 * * 1")`` runs on Mondays at two, for the week that ended on Sunday.
    Otherwise as :func:`daily_partitions`.

    :param cron: when to run, as a cron expression or preset.
    :param timezone: where the cron expression and the weeks are meant; Airflow's default if left out.
    :param run_offset: the week to run for, counted from the one in which it may run: -1 is the one before, which has
        ended; 0 is that one itself.
    :param run_immediately: whether a DAG without ``start_date`` runs at once when it is first switched on.
    :param partition_format: how a week's folder is named, as in ``strftime``; stages, sensors and the form follow.
    :raises ArgumentRefused: if the format writes what it cannot read, or two weeks share a folder.
    """
    return _partitions("week", cron, timezone, run_offset, run_immediately, partition_format)


def monthly_partitions(
    cron: str,
    *,
    timezone: str | Timezone | FixedTimezone | None = None,
    run_offset: int = -1,
    run_immediately: bool = False,
    partition_format: str = MONTHLY,
) -> PartitionTimetable:
    """Run on a cron schedule for each month once: its partition key is the month, ``2026-11``.

    ``schedule=monthly_partitions("0 2 1 * *")`` runs on the first at two, for the month that has ended.
    Otherwise as :func:`daily_partitions`.

    :param cron: when to run, as a cron expression or preset.
    :param timezone: where the cron expression and the months are meant; Airflow's default if left out.
    :param run_offset: the month to run for, counted from the one in which it may run: -1 is the one before, which has
        ended; 0 is that one itself.
    :param run_immediately: whether a DAG without ``start_date`` runs at once when it is first switched on.
    :param partition_format: how a month's folder is named, as in ``strftime``; stages, sensors and the form follow.
    :raises ArgumentRefused: if the format writes what it cannot read, or two months share a folder.
    """
    return _partitions("month", cron, timezone, run_offset, run_immediately, partition_format)


def dirops_params() -> dict[str, Param]:
    """Fields for a DAG's trigger form: which partition, what to redo, bad files, a trial, or only a plan.

    Left as they are, they change nothing. More fields can be added: ``params={**dirops_params(), ...}``.
    """
    from airflow.sdk import Param

    fields = {
        "partition": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Partition",
            description=form_description(),
        ),
        "redo": Param(
            None,
            type=["null", "string"],
            enum=[None, "needed", "damaged", "all"],
            values_display={
                "null": "As the DAG says",
                "needed": "What is new, changed or missing",
                "damaged": "Also what is damaged",
                "all": "Everything",
            },
            title="Redo",
            description="Which files to compute. For damage, results that are kept are compared with their digests.",
        ),
        "on_error": Param(
            None,
            type=["null", "string"],
            enum=[None, "fail", "quarantine"],
            values_display={"null": "As the DAG says", "fail": "Stop at the first", "quarantine": "Set them aside"},
            title="Files that fail",
            description="What to do about them. Those that are set aside are listed in the manifest.",
        ),
        "max_failures": Param(
            None,
            type=["null", "string"],
            title="How many may fail",
            description="A count such as 20, or a percentage such as 5%, of files to set aside. "
            "Empty: as the DAG says.",
        ),
        "accept_removal": Param(
            False,
            type=["null", "boolean"],  # without "null" the form marks a switch as a field to be filled in
            title="Accept removals",
            description="For a run that was refused since too many results would go (TooManyRemoved): let them go.",
        ),
        "accept_code_change": Param(
            False,
            type=["null", "boolean"],
            title="Accept a code change",
            description="Keep the results that are there, though the code that made them, or its params, have changed.",
        ),
        "limit": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Trial run",
            description="How many inputs to work on, the first by name, such as 20. The result is marked as a trial, "
            "makes no asset event, and never replaces a full one. Empty: all.",
        ),
        "dry_run": Param(
            False,
            type=["null", "boolean"],
            title="Dry run",
            description="Only plan: log what would run and why, write nothing.",
        ),
    }
    for name, field in fields.items():
        field.schema[FORM_MARK] = name
    return fields


def is_form_field(params: Any, name: str) -> bool:
    """Whether a param is a field of ours, and not an author's own of the same name.

    :param params: those of the DAG or the task, as Airflow holds them.
    """
    return name in params and params.get_param(name).schema.get(FORM_MARK) == name


def form_description(partition_format: str | None = DAILY) -> str:
    """What the form says of its field for the partition.

    :param partition_format: the form of the names; None for any.
    """
    what = "The day whose folder to work on."
    if partition_format is None:
        what = "The name of the folder to work on."
    elif partition_format != DAILY:
        what = f"The folder to work on, such as {example_name(partition_format)}"
        what += "." if tells_hours(partition_format) else ", or a date in it, such as 2026-11-26."
    return (
        f"{what} Empty: the Partition Key under Advanced Options, else the last that has ended. "
        "Leave it empty in a backfill; there the other fields count only if 'Override parameters on existing runs' "
        "is ticked."
    )


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


def check_partition(text: Any, origin: str, partition_format: str | None = DAILY) -> str:
    """Make sure that a partition can become part of a path.

    :param text: the partition, from anywhere.
    :param origin: where it came from, for the message.
    :param partition_format: the form that a date must have; None takes any safe relative name.
    """
    if not isinstance(text, str):
        raise ArgumentRefused(f"{origin} is {text!r}, a {type(text).__name__}; a partition is text")
    if reason := unsafe(text) or _malformed(text, partition_format):
        raise ArgumentRefused(f"{origin} is {text!r}, which cannot name a partition: {reason}")
    return text


def check_format(partition_format: Any) -> None:
    """Refuse a format that writes what it cannot read, or gives one name to dates that do not belong together.

    :param partition_format: what the DAG file has; None takes any safe relative name.
    """
    if partition_format in (None, FROM_SCHEDULE):
        return
    fault = fault_of(partition_format) if isinstance(partition_format, str) else "it is no text"
    if fault:
        raise ArgumentRefused(f"partition_format={partition_format!r} cannot name partitions: {fault}")


def check_same_format(partition_format: str | None, schedules: str) -> None:
    """Refuse a stage whose partitions are named otherwise than those of its schedule.

    :param partition_format: what the operator says.
    :param schedules: the format of the schedule.
    """
    if partition_format in (FROM_SCHEDULE, schedules, None):
        return
    raise ArgumentRefused(
        f"the schedule makes partitions like {example_name(schedules)!r}, and partition_format="
        f"{partition_format!r} wants names like {example_name(partition_format)!r}. Write the format once, "
        "on the schedule, as in daily_partitions(..., partition_format=...), and leave it out here"
    )


def _partitions(
    period: str,
    cron: str,
    timezone: str | Timezone | FixedTimezone | None,
    run_offset: int,
    run_immediately: bool,
    partition_format: str,
) -> PartitionTimetable:
    from airflow_dirops.calendar.timetables import PartitionTimetable

    check_format(partition_format)
    timetable = PartitionTimetable(
        cron,
        timezone=timezone or _default_timezone(),
        run_offset=run_offset,
        run_immediately=run_immediately,
        key_format=partition_format,
        period=period,
    )
    if fault := fault_with(partition_format, timetable.calendar):
        raise ArgumentRefused(f"partition_format={partition_format!r} cannot name the folders of {period}s: {fault}")
    return timetable


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
    if _malformed(param, partition_format) and not tells_hours(partition_format):
        try:
            return write_name(read_name(param, DAILY), partition_format)
        except ValueError:
            pass
    return check_partition(param, 'params["partition"]', partition_format)


def _written(moment: datetime, origin: str, partition_format: str | None) -> str:
    partition_format = partition_format or DAILY
    return check_partition(write_name(moment, partition_format), origin, partition_format)


def _malformed(text: str, partition_format: str | None) -> str | None:
    if partition_format is None:
        return None
    try:
        read_name(text, partition_format)
    except ValueError:
        example = example_name(partition_format)
        return (
            f"partition_format={partition_format!r} writes names such as {example!r}. Give one like it, or "
            "partition_format=None, which takes any name"
        )
    return None


def _default_timezone() -> str | Timezone | FixedTimezone:
    import pendulum
    from airflow.sdk.configuration import conf

    name: str = conf.get_mandatory_value("core", "default_timezone")
    return pendulum.tz.local_timezone() if name == "system" else name
