"""Hourly, weekly and monthly schedules: which runs they start, compared with a plain calendar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.configuration import conf
from airflow.exceptions import InvalidPartitionKeyError
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow.utils.types import DagRunType
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_dirops import daily_partitions, hourly_partitions, monthly_partitions, weekly_partitions
from airflow_dirops.calendar.timetables import PartitionTimetable
from airflow_dirops.core.errors import ArgumentRefused

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Beirut",  # clocks change at midnight
    "America/Havana",  # midnight comes twice
    "America/Sao_Paulo",  # not since 2019
    "Africa/Casablanca",  # four times a year
    "Australia/Lord_Howe",  # by half an hour
    "Asia/Kathmandu",  # three quarters of an hour from UTC
    "Pacific/Chatham",  # where one hour of a year lasts a quarter
)
WITH_OFFSET = "%Y-%m-%dT%H%z"
CADENCES = {"hour": hourly_partitions, "week": weekly_partitions, "month": monthly_partitions}


def schedule(period: str, cron: str, **options: Any) -> PartitionTimetable:
    """The timetable as the scheduler has it."""
    if period == "hour":
        options = {"partition_format": WITH_OFFSET, **options}
    timetable = decode_timetable(encode_timetable(CADENCES[period](cron, **options)))
    assert isinstance(timetable, PartitionTimetable)
    return timetable


def runs_of(timetable: PartitionTimetable, start: Any, end: Any) -> list[DagRunInfo]:
    """The runs that a schedule starts, one after the other as the scheduler asks for them."""
    restriction = TimeRestriction(start, end, catchup=True)
    found: list[DagRunInfo] = []
    while info := timetable.next_dagrun_info_v2(last_dagrun_info=found[-1] if found else None, restriction=restriction):
        found.append(info)
    return found


def keys(runs: list[DagRunInfo]) -> list[str | None]:
    return [run.partition_key for run in runs]


def read_off_the_clock(zone: str, first: datetime, last: datetime, form: str) -> list[str]:
    """Every name that a clock in a zone shows between two instants, in order, and each once in a row."""
    clock = ZoneInfo(zone)

    def shown() -> Iterator[str]:
        instant, end = (datetime.fromtimestamp(each.timestamp(), UTC) for each in (first, last))
        step = timedelta(minutes=15) if "%H" in form else timedelta(hours=12)
        while instant < end:
            yield instant.astimezone(clock).strftime(form)
            instant += step
        yield (end - timedelta(minutes=1)).astimezone(clock).strftime(form)

    return list(dict.fromkeys(shown()))


def all_periods(timetable: PartitionTimetable, first: Any, last: Any) -> list[DagRunInfo]:
    return list(timetable.iter_partition_dagrun_infos(earliest=first, latest=last))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("period", "form", "first"),
    [
        ("hour", WITH_OFFSET, date(2015, 1, 1)),
        ("week", "%G-W%V", date(2015, 1, 5)),
        ("month", "%Y-%m", date(2015, 1, 1)),
    ],
)
def test_ten_years_have_each_period_once_and_in_order(zone: str, period: str, form: str, first: date) -> None:
    last = pendulum.datetime(2024, 12, 31, 23)
    timetable = schedule(period, "5 * * * *", timezone=zone)
    infos = all_periods(timetable, pendulum.datetime(first.year, first.month, first.day), last)
    begin = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone))
    end = datetime(2025, 1, 1, tzinfo=ZoneInfo(zone))
    assert keys(infos) == read_off_the_clock(zone, begin, end.astimezone(UTC), form)
    assert all(one.partition_date < other.partition_date for one, other in pairwise(infos))  # type: ignore[operator]
    for info in infos[::97]:  # what the UI and the command make of the key is the same period
        assert timetable.resolve_partition_date(info.partition_key) == info.partition_date


CRONS = ("5 * * * *", "0 * * * *", "*/20 * * * *", "30 1,13 * * *", "0 2 * * 1-5", "0 2 1 * *")
INSTANTS = st.datetimes(datetime(2015, 1, 1), datetime(2036, 1, 1))


def around_a_change(zone: str, year: int, which: int) -> datetime:
    """A moment before clocks change, if they do in that year; else in its middle."""
    clock, day = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC)
    days = [day + timedelta(days=count) for count in range(366)]
    offsets = [each.astimezone(clock).utcoffset() for each in days]
    changes = [days[at] for at in range(365) if offsets[at] != offsets[at + 1]]
    return changes[which % len(changes)] if changes else days[180]


@settings(max_examples=25, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    cron=st.sampled_from(CRONS[:5]),
    year=st.integers(2015, 2030),
    which=st.integers(0, 3),
    offset=st.integers(-2, 1),
)
def test_days_on_which_clocks_change_have_each_hour_once(
    zone: str, cron: str, year: int, which: int, offset: int
) -> None:
    timetable = schedule("hour", cron, timezone=zone, run_offset=offset)
    start = pendulum.instance(around_a_change(zone, year, which)).subtract(days=1)
    runs = runs_of(timetable, start, start.add(days=4))
    first, last = runs[0].partition_date, runs[-1].partition_date
    assert first
    assert last
    assert keys(runs) == read_off_the_clock(zone, first, last + timedelta(minutes=1), WITH_OFFSET)
    assert all(one.run_after <= other.run_after for one, other in pairwise(runs))
    assert all(timetable.resolve_partition_date(run.partition_key) == run.partition_date for run in runs)
    if offset < 0:
        assert all(run.run_after > run.partition_date for run in runs if run.partition_date)


@settings(max_examples=25, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    cron=st.sampled_from(CRONS[3:]),
    period=st.sampled_from(["week", "month"]),
    start=INSTANTS,
)
def test_any_year_has_each_week_and_month_once(zone: str, cron: str, period: str, start: datetime) -> None:
    begin = pendulum.instance(start, tz=zone)
    runs = runs_of(schedule(period, cron, timezone=zone), begin, begin.add(days=370))
    first, last = runs[0].partition_date, runs[-1].partition_date
    assert first
    assert last
    form = {"week": "%G-W%V", "month": "%Y-%m"}[period]
    assert keys(runs) == read_off_the_clock(zone, first, last + timedelta(minutes=1), form)
    assert all(run.run_after > run.partition_date for run in runs if run.partition_date)


@pytest.mark.parametrize(
    ("period", "now", "ended"),
    [
        ("hour", pendulum.datetime(2026, 11, 2, 12, 30), "2026-11-02T11+0000"),
        ("week", pendulum.datetime(2026, 11, 2, 12), "2026-W44"),
        ("week", pendulum.datetime(2027, 1, 4), "2026-W53"),
        ("month", pendulum.datetime(2026, 1, 1), "2025-12"),
    ],
)
def test_a_run_by_hand_is_for_the_last_period_that_has_ended(period: str, now: Any, ended: str) -> None:
    assert schedule(period, "5 * * * *", timezone="UTC").due_key(now) == ended


def test_the_hour_that_comes_twice_has_two_runs() -> None:
    timetable = schedule("hour", "5 * * * *", timezone="Europe/Berlin", partition_format="%Y/%m/%d/%H%z")
    first = pendulum.datetime(2026, 10, 25, 1, tz="Europe/Berlin")
    assert keys(runs_of(timetable, first.add(hours=1), first.add(hours=5))) == [
        "2026/10/25/01+0200",
        "2026/10/25/02+0200",
        "2026/10/25/02+0100",
        "2026/10/25/03+0100",
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Europe/Moscow"])
@pytest.mark.parametrize("form", ["%Y-%m-%dT%H", "%Y/%m/%d/%H"])
def test_where_an_hour_comes_twice_a_format_must_tell_the_two_apart(zone: str, form: str) -> None:
    with pytest.raises(ArgumentRefused, match=r"two hours, .* would share the folder .*%z behind %H.*'UTC'"):
        hourly_partitions("5 * * * *", timezone=zone, partition_format=form)
    hourly_partitions("5 * * * *", timezone=zone, partition_format=form.replace("%H", "%H%z"))
    hourly_partitions("5 * * * *", timezone="UTC", partition_format=form)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "Asia/Tokyo", "Etc/GMT-3"])
def test_where_clocks_are_never_put_back_an_hour_needs_no_offset(zone: str) -> None:
    timetable = schedule("hour", "5 * * * *", timezone=zone, partition_format="%Y/%m/%d/%H")
    first = pendulum.datetime(2026, 11, 1, tz=zone)
    assert keys(runs_of(timetable, first.add(minutes=1), first.add(minutes=10))) == ["2026/10/31/23"]


@pytest.mark.parametrize(
    ("cadence", "form"),
    [
        (hourly_partitions, "%Y-%m-%d"),
        (hourly_partitions, "%Y-%m-%dT%I"),
        (hourly_partitions, "%Y-%m-%dT%H%Z"),
        (daily_partitions, "%Y-%m-%d%z"),
        (weekly_partitions, "%Y-%m"),
        (weekly_partitions, "%Y-W%V"),
        (monthly_partitions, "%Y"),
        (monthly_partitions, "%m"),
    ],
)
def test_a_format_that_folds_two_periods_or_cannot_be_read_is_refused_when_the_dag_is_read(
    cadence: Any, form: str
) -> None:
    with pytest.raises(ArgumentRefused, match="partition_format="):
        cadence("5 * * * *", timezone="UTC", partition_format=form)


@pytest.mark.parametrize(
    ("period", "key"),
    [
        ("hour", "2026-03-29T02+0100"),  # skipped
        ("hour", "2026-11-27T13+0500"),
        ("hour", "2026-11-27T13"),
        ("hour", "2026-11-27T13Z"),
        ("week", "2026-W54"),
        ("week", "2025-W53"),
        ("month", "2026-13"),
        ("month", "2026-11-01"),
    ],
)
def test_a_key_that_names_no_period_is_refused_when_the_run_is_triggered(period: str, key: str) -> None:
    with pytest.raises(InvalidPartitionKeyError, match=f"no {period} as"):
        schedule(period, "5 * * * *", timezone="Europe/Berlin").resolve_partition_date(key)


@pytest.mark.parametrize(
    ("period", "form"),
    [
        ("week", "%G/%V"),
        ("week", "%Y-%m-%d"),
        ("week", "%Y/W%W"),
        ("month", "%Y/%m"),
        ("month", "%b %Y"),
        ("hour", "%Y/%m/%d/%H%z"),
        ("hour", "%Y%m%d/%H%z"),
    ],
)
def test_a_schedule_names_its_periods_as_it_is_told(period: str, form: str) -> None:
    timetable = schedule(period, "5 * * * *", timezone="Europe/Berlin", partition_format=form)
    infos = all_periods(timetable, pendulum.datetime(2026, 1, 1), pendulum.datetime(2026, 12, 31))
    assert len({info.partition_key for info in infos}) == len(infos)
    for info in infos:
        assert timetable.resolve_partition_date(info.partition_key) == info.partition_date


def test_two_lengths_of_period_are_two_schedules() -> None:
    one, other = weekly_partitions("0 2 * * *"), daily_partitions("0 2 * * *", partition_format="%G-W%V-%u")
    assert one != other
    assert one == weekly_partitions("0 2 * * *")


@pytest.mark.parametrize("key", ["2026/11/01/13+0100", "Nov 2026", "März", None])
def test_airflow_takes_the_ids_of_runs_whatever_their_keys_hold(key: str | None) -> None:
    moment = pendulum.datetime(2026, 11, 2)
    run_id = schedule("month", "5 * * * *").generate_run_id(
        run_type=DagRunType.BACKFILL_JOB, run_after=moment, data_interval=None, partition_key=key
    )
    assert re.fullmatch(conf.get_mandatory_value("scheduler", "allowed_run_id_pattern"), run_id)
