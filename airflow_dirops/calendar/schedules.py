"""The schedules of a DAG whose runs are for a day, an hour, a week or a month each."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from airflow_dirops.calendar.checks import check_own_format
from airflow_dirops.calendar.formats import DAILY, HOURLY, MONTHLY, WEEKLY, fault_with
from airflow_dirops.calendar.windows import fault_of_zone
from airflow_dirops.core.errors import ArgumentRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pendulum.tz.timezone import FixedTimezone, Timezone

    from airflow_dirops.calendar.timetables import PartitionTimetable


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


def _partitions(
    period: str,
    cron: str,
    timezone: str | Timezone | FixedTimezone | None,
    run_offset: int,
    run_immediately: bool,
    partition_format: str,
) -> PartitionTimetable:
    from airflow_dirops.calendar.timetables import PartitionTimetable

    if partition_format is None:
        raise ArgumentRefused("partition_format=None says no names, and a schedule gives one to each run; leave it out")
    check_own_format(partition_format)
    if findings := list(_unusable(timezone, run_offset, run_immediately)):
        raise ArgumentRefused("this schedule cannot be used", findings)
    check_cron(cron, "cron")
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


def check_cron(cron: Any, argument: str) -> None:
    """Refuse what cannot say when to run.

    :param cron: what the DAG file has.
    :param argument: its name, for the message.
    :raises ArgumentRefused: if it is no cron expression, or one that never comes true.
    """
    from airflow.exceptions import AirflowTimetableInvalid

    from airflow_dirops.calendar.timetables import PartitionTimetable

    fault = "" if isinstance(cron, str) else f"it is a {type(cron).__name__}"
    try:
        if not fault:
            PartitionTimetable(cron, timezone="UTC").validate()
    except AirflowTimetableInvalid as error:
        fault = str(error).rstrip(".")
    if fault:
        raise ArgumentRefused(
            f"{argument}={cron!r} cannot say when to run: {fault}. Write the five fields of cron, such as '0 2 * * *' "
            "for two at night, or a preset such as '@hourly'"
        )


def _unusable(timezone: Any, run_offset: Any, run_immediately: Any) -> Iterator[str]:
    if isinstance(timezone, str) and timezone and (fault := fault_of_zone(timezone)):
        yield f"timezone={timezone!r} is not known: {fault}; give a name such as 'Europe/Berlin'"
    elif timezone is not None and not isinstance(timezone, str | tzinfo):
        yield f"timezone={timezone!r} is a {type(timezone).__name__}; give a name such as 'Europe/Berlin'"
    if isinstance(run_offset, bool) or not isinstance(run_offset, int):
        yield f"run_offset={run_offset!r} is no number of periods; -1 is the one that has ended, 0 the one that begins"
    if not isinstance(run_immediately, bool):
        yield f"run_immediately={run_immediately!r} is neither True nor False"


def _default_timezone() -> str | Timezone | FixedTimezone:
    import pendulum
    from airflow.sdk.configuration import conf

    name: str = conf.get_mandatory_value("core", "default_timezone")
    return pendulum.tz.local_timezone() if name == "system" else name
