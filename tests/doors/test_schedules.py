"""``daily_partitions``: which runs a schedule starts, compared with a plain calendar."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pendulum
import pytest
from airflow.exceptions import AirflowTimetableInvalid, InvalidPartitionKeyError
from airflow.sdk import DAG
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import DagRunInfo, TimeRestriction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_dirops import daily_partitions, hourly_partitions, monthly_partitions, weekly_partitions
from airflow_dirops.calendar.timetables import PartitionTimetable
from airflow_dirops.core.errors import ArgumentRefused

TOKYO = "Asia/Tokyo"
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Beirut",  # clocks change at midnight
    "Africa/Cairo",
    "America/Havana",  # midnight comes twice
    "America/St_Johns",  # a minute after midnight, until 2011
    "America/Sao_Paulo",
    "Africa/Casablanca",  # four times a year
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # had no 30 December 2011
    "Asia/Kathmandu",
)
SCHEDULES = (daily_partitions, hourly_partitions, monthly_partitions, weekly_partitions)
MISSING = {("Pacific/Apia", date(2011, 12, 30))}


def schedule(cron: str, **options: Any) -> PartitionTimetable:
    """The timetable as the scheduler has it."""
    timetable = decode_timetable(encode_timetable(daily_partitions(cron, **options)))
    assert isinstance(timetable, PartitionTimetable)
    return timetable


def runs_of(
    timetable: PartitionTimetable, start: datetime, end: datetime | None, *, catchup: bool = True, count: int = 10**6
) -> list[DagRunInfo]:
    """The runs that a schedule starts, one after the other as the scheduler asks for them."""
    restriction = TimeRestriction(pendulum.instance(start), end and pendulum.instance(end), catchup)
    found: list[DagRunInfo] = []
    while len(found) < count and (
        info := timetable.next_dagrun_info_v2(last_dagrun_info=found[-1] if found else None, restriction=restriction)
    ):
        found.append(info)
    return found


def keys(runs: list[DagRunInfo]) -> list[str | None]:
    return [run.partition_key for run in runs]


def calendar_days(first: str | None, last: str | None, zone: str) -> list[str]:
    """Every day that there is between two days, by a plain calendar."""
    day, found = date.fromisoformat(str(first)), []
    while day <= date.fromisoformat(str(last)):
        if (zone, day) not in MISSING:
            found.append(day.isoformat())
        day += timedelta(days=1)
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_ten_years_have_each_day_once_and_in_order(zone: str) -> None:
    start = pendulum.datetime(2009, 1, 1, tz=zone)
    runs = runs_of(schedule("30 0 * * *", timezone=zone), start, start.add(years=10))
    assert keys(runs) == calendar_days("2008-12-31", "2018-12-30", zone)
    assert all(one.run_after < other.run_after for one, other in pairwise(runs))
    days_of_runs = [run.run_after.in_timezone(zone).to_date_string() for run in runs]
    assert days_of_runs == calendar_days(days_of_runs[0], "2018-12-31", zone)  # the day after, each


CRONS = (
    *("0 0 * * *", "0 2 * * *", "30 2 * * *", "0 3 * * *", "59 23 * * *"),
    *("30 1,13 * * *", "0 * * * *", "0 2 * * 1-5"),
)
DAYS = st.dates(date(2008, 1, 1), date(2037, 1, 1))


@settings(max_examples=120, deadline=None)
@given(zone=st.sampled_from(ZONES), cron=st.sampled_from(CRONS), start=DAYS, offset=st.integers(-2, 1))
def test_any_month_has_each_day_once_and_in_order(zone: str, cron: str, start: date, offset: int) -> None:
    timetable = schedule(cron, timezone=zone, run_offset=offset)
    begin = pendulum.datetime(start.year, start.month, start.day, tz=zone)
    runs = runs_of(timetable, begin, begin.add(days=40))
    found = keys(runs)
    assert found == calendar_days(found[0], found[-1], zone)
    assert all(one.run_after <= other.run_after for one, other in pairwise(runs))
    assert all(run.run_after >= begin for run in runs)
    for run in runs:  # what the UI and the command make of the key is the same partition
        assert timetable.resolve_partition_date(run.partition_key) == run.partition_date
    if offset < 0:
        assert all(run.run_after > run.partition_date for run in runs)


@settings(max_examples=60, deadline=None)
@given(zone=st.sampled_from(ZONES), cron=st.sampled_from(CRONS), start=DAYS)
@example(zone="America/Havana", cron="0 0 * * *", start=date(2028, 11, 5))
def test_a_backfill_names_the_days_of_its_range_whatever_cron_says(zone: str, cron: str, start: date) -> None:
    last = start + timedelta(days=20)
    infos = list(
        schedule(cron, timezone=zone).iter_partition_dagrun_infos(
            earliest=pendulum.datetime(start.year, start.month, start.day),
            latest=pendulum.datetime(last.year, last.month, last.day),
        )
    )
    assert keys(infos) == calendar_days(start.isoformat(), last.isoformat(), zone)


def test_a_backfilled_day_may_run_as_soon_as_it_has_ended() -> None:
    midnight = pendulum.datetime(2026, 11, 1)
    (info,) = schedule("0 2 * * 1-5", timezone=TOKYO).iter_partition_dagrun_infos(earliest=midnight, latest=midnight)
    assert info.run_after == pendulum.datetime(2026, 11, 2, tz=TOKYO)
    assert info.partition_date == pendulum.datetime(2026, 11, 1, tz=TOKYO)


def test_a_range_within_a_day_has_no_day_in_it() -> None:
    noon = pendulum.datetime(2026, 11, 1, 12)
    assert not list(schedule("0 2 * * *").iter_partition_dagrun_infos(earliest=noon, latest=noon.add(hours=3)))


@pytest.mark.parametrize(
    ("cron", "offset", "day", "expected"),
    [
        pytest.param("0 2 * * *", -1, "2026-11-02", ["2026-11-01"], id="the day that has ended"),
        pytest.param("0 2 * * *", 0, "2026-11-02", ["2026-11-02"], id="the day itself"),
        pytest.param("0 2 * * *", -2, "2026-11-02", ["2026-10-31"], id="the day before that"),
        pytest.param("0 2 * * *", 1, "2026-11-02", ["2026-11-03"], id="the day to come"),
        pytest.param("0 2 * * 1-5", -1, "2026-11-02", ["2026-10-30", "2026-10-31", "2026-11-01"], id="on a Monday"),
        pytest.param("0 2 * * 1-5", -1, "2026-11-01", [], id="on a Sunday"),
        pytest.param("0 2,14 * * *", -1, "2026-11-02", ["2026-11-01"], id="two ticks a day"),
        pytest.param("*/10 * * * *", -1, "2026-11-02", ["2026-11-01"], id="many ticks a day"),
        pytest.param("@daily", -1, "2026-11-02", ["2026-11-01"], id="preset"),
    ],
)
def test_what_runs_on_one_day(cron: str, offset: int, day: str, expected: list[str]) -> None:
    start = pendulum.from_format(day, "YYYY-MM-DD")
    assert keys(runs_of(schedule(cron, run_offset=offset), start, start.add(days=1, seconds=-1))) == expected


@pytest.mark.parametrize(
    ("zone", "cron", "day", "runs_at"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-03-28", "2026-03-29T03:30:00+02:00"),  # 2:30 is skipped
        ("Europe/Berlin", "30 2 * * *", "2026-10-24", "2026-10-25T02:30:00+01:00"),  # the second 2:30
        ("Asia/Beirut", "0 0 * * *", "2026-03-28", "2026-03-29T01:00:00+03:00"),
        ("America/Havana", "0 0 * * *", "2026-10-31", "2026-11-01T00:00:00-05:00"),
    ],
)
def test_ticks_move_with_the_clocks_as_airflows_own_do(zone: str, cron: str, day: str, runs_at: str) -> None:
    start = pendulum.parse(day, tz=zone)
    runs = runs_of(schedule(cron, timezone=zone), start, start.add(days=3))  # type: ignore[arg-type, union-attr]
    (run,) = (run for run in runs if run.partition_key == day)
    assert run.run_after == datetime.fromisoformat(runs_at)


MONDAY_NOON = pendulum.datetime(2026, 11, 2, 12)


class TestWithoutCatchup:
    @pytest.fixture(autouse=True)
    def monday_noon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("airflow_dirops.calendar.timetables.utcnow", lambda: MONDAY_NOON)

    def test_what_the_last_tick_was_for_still_runs(self) -> None:
        start = pendulum.datetime(2026, 1, 1)
        runs = runs_of(schedule("0 2 * * *"), start, None, catchup=False, count=3)
        assert keys(runs) == ["2026-11-01", "2026-11-02", "2026-11-03"]

    def test_a_weekend_is_not_lost(self) -> None:
        runs = runs_of(schedule("0 2 * * 1-5"), pendulum.datetime(2026, 1, 1), None, catchup=False, count=4)
        assert keys(runs) == ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02"]

    def test_after_a_pause_what_was_missed_is_left_out(self) -> None:
        last = DagRunInfo(
            run_after=pendulum.datetime(2026, 10, 2, 2),
            data_interval=None,
            partition_date=pendulum.datetime(2026, 10, 1),
            partition_key="2026-10-01",
        )
        info = schedule("0 2 * * *").next_dagrun_info_v2(
            last_dagrun_info=last, restriction=TimeRestriction(None, None, catchup=False)
        )
        assert info is not None
        assert info.partition_key == "2026-11-01"

    @pytest.mark.parametrize(("at_once", "expected"), [(True, "2026-11-01"), (False, "2026-11-02")])
    def test_a_dag_without_a_start(self, at_once: bool, expected: str) -> None:
        for catchup in (True, False):
            info = schedule("0 2 * * *", run_immediately=at_once).next_dagrun_info_v2(
                last_dagrun_info=None, restriction=TimeRestriction(None, None, catchup)
            )
            assert info is not None
            assert info.partition_key == expected

    def test_a_run_by_hand_is_for_the_last_day_that_has_ended(self) -> None:
        assert schedule("0 2 * * *").due_key(MONDAY_NOON) == "2026-11-01"
        assert schedule("0 2 * * *", run_offset=0).due_key(MONDAY_NOON) == "2026-11-02"
        late = pendulum.datetime(2026, 11, 2, 16)  # already the third in Tokyo
        assert schedule("0 2 * * *", timezone=TOKYO).due_key(late) == "2026-11-02"


def test_no_run_before_the_start_even_after_a_backfill_of_earlier_days() -> None:
    backfilled = DagRunInfo(
        run_after=pendulum.datetime(2026, 9, 2),
        data_interval=None,
        partition_date=pendulum.datetime(2026, 9, 1),
        partition_key="2026-09-01",
    )
    restriction = TimeRestriction(pendulum.datetime(2026, 11, 2), None, catchup=True)
    info = schedule("0 2 * * *").next_dagrun_info_v2(last_dagrun_info=backfilled, restriction=restriction)
    assert info is not None
    assert info.partition_key == "2026-11-01"


def test_runs_of_the_schedule_before_are_gone_on_from() -> None:
    by_airflows_own = DagRunInfo(
        run_after=pendulum.datetime(2026, 11, 2, 2),
        data_interval=None,
        partition_date=pendulum.datetime(2026, 11, 1, 2),
        partition_key="2026-11-01",
    )
    for last in (by_airflows_own, by_airflows_own._replace(partition_date=None)):
        info = schedule("0 2 * * *").next_dagrun_info_v2(
            last_dagrun_info=last, restriction=TimeRestriction(None, None, catchup=True)
        )
        assert info is not None
        assert info.partition_key == "2026-11-02"


@pytest.mark.parametrize("key", ["yesterday", "2026-11-1", "2026-11-31", "2026-11-01 ", "0000-00-00", "2026-W45"])
def test_a_key_that_is_no_day_is_refused_when_the_run_is_triggered(key: str) -> None:
    with pytest.raises(InvalidPartitionKeyError, match=r"no day as '%Y-%m-%d' writes it, such as '\d{4}-\d\d-\d\d'"):
        schedule("0 2 * * *").resolve_partition_date(key)


@pytest.mark.parametrize("cron", ["every day", "0 2 30 2 *", "", "@once", "60 2 * * *", "H 2 * * *", 7, None])
def test_what_cannot_say_when_to_run_is_refused_and_the_advice_works(cron: Any) -> None:
    for make in SCHEDULES:
        with pytest.raises(ArgumentRefused, match=r"cron=.* cannot say when to run: .*[^.]\. Write") as refused:
            make(cron)
        for advised in re.findall(r"as '(.+?)'", str(refused.value)):
            DAG("advised", schedule=make(advised, timezone="UTC")).validate()


def test_a_cron_expression_that_a_database_has_is_refused_as_well() -> None:
    with pytest.raises(AirflowTimetableInvalid, match="never comes true"):
        PartitionTimetable("0 2 30 2 *", timezone="UTC").validate()


@pytest.mark.parametrize(
    "given",
    [
        {"timezone": "Nowhere"},
        {"timezone": 7},
        {"run_offset": 1.5},
        {"run_offset": True},
        {"run_offset": None},
        {"run_immediately": "yes"},
        {"partition_format": None},
        {"partition_format": "schedule"},
    ],
    ids=str,
)
def test_what_a_schedule_cannot_use_is_named(given: dict[str, Any]) -> None:
    for make in SCHEDULES:
        with pytest.raises(ArgumentRefused, match=f"{next(iter(given))}="):
            make("0 2 * * *", **given)


@pytest.mark.parametrize("form", ["%Y-%m", "%G-W%V", "%d", "%-d.%m.%Y", "/%Y-%m-%d", "", "today", 7])
def test_a_format_that_cannot_name_days_is_refused_when_the_dag_is_read(form: Any) -> None:
    with pytest.raises(ArgumentRefused, match="partition_format="):
        daily_partitions("0 2 * * *", partition_format=form)


@pytest.mark.parametrize("form", ["%Y/%m/%d", "%Y-%j", "%d.%m.%Y", "%G-W%V-%u", "%y%m%d"])
def test_a_schedule_names_its_days_as_it_is_told(form: str) -> None:
    timetable = schedule("0 2 * * *", partition_format=form)
    day = pendulum.datetime(2026, 11, 2)
    (run,) = runs_of(timetable, day, day.add(days=1, seconds=-1))
    assert run.partition_key == date(2026, 11, 1).strftime(form)
    assert timetable.resolve_partition_date(run.partition_key) == run.partition_date == pendulum.datetime(2026, 11, 1)


def test_daily_partitions_takes_airflows_default_timezone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", "Europe/Vienna")
    assert daily_partitions("@daily").timezone == pendulum.timezone("Europe/Vienna")
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", "system")
    assert daily_partitions("@daily").timezone == pendulum.tz.local_timezone()


def test_two_schedules_are_equal_if_the_same_runs_come_of_them() -> None:
    one = daily_partitions("0 2 * * *", timezone=TOKYO)
    assert one == schedule("0 2 * * *", timezone=TOKYO)
    assert hash(one) == hash(schedule("0 2 * * *", timezone=TOKYO))
    assert one != daily_partitions("0 2 * * *", timezone=TOKYO, run_offset=0)
    assert one != daily_partitions("0 2 * * *", timezone="UTC")
