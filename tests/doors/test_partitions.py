"""Which partition a run works on, and which names cannot be one."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, CronPartitionTimetable, CronTriggerTimetable

from airflow_dirops import daily_partitions, dirops_params
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.partitions import check_partition, resolve_partition
from airflow_dirops.runtime import partition_of

TOKYO = "Asia/Tokyo"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"key": "2026-11-01"}, "2026-11-01", id="partition key"),
        pytest.param({"param": "2026-11-02"}, "2026-11-02", id="trigger form"),
        pytest.param({"day": datetime(2026, 11, 3)}, "2026-11-03", id="logical date"),
        pytest.param({"key": "2026-11-01", "day": datetime(2026, 11, 3)}, "2026-11-01", id="key before date"),
        pytest.param({"param": "2026-11-02", "day": datetime(2026, 11, 3)}, "2026-11-02", id="form before date"),
        pytest.param({"key": "2026-11-01", "param": "2026-11-01"}, "2026-11-01", id="key and form agree"),
    ],
)
def test_the_first_that_is_there_decides(given: dict[str, Any], expected: str) -> None:
    assert resolve_partition(**{"key": None, "param": None, "day": None, **given}) == expected


def test_a_form_that_contradicts_the_key_is_an_error_that_shows_both() -> None:
    with pytest.raises(ArgumentRefused, match=r"'2026-11-01'.*'2026-11-02'"):
        resolve_partition(key="2026-11-01", param="2026-11-02", day=None)


def test_a_run_that_names_no_partition_is_told_every_way_to_name_one() -> None:
    with pytest.raises(ArgumentRefused, match=r"partition key.*dirops_params\(\).*partition="):
        resolve_partition(key=None, param=None, day=None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "None",
        "not a date",
        "2026-1-1",
        "2026-11-31",
        "2026-11-01 ",
        "2026-11-01T02:00:00",
        "../../etc",
        "/etc",
        "2026-11-01/../../etc",
        "2026-11-01\n",
        20261101,
        None,
    ],
)
def test_what_is_not_a_date_is_no_daily_partition(text: Any) -> None:
    with pytest.raises(ArgumentRefused, match="params"):
        check_partition(text, 'params["partition"]')


@pytest.mark.parametrize("text", ["line A", "2026-11-02 (W45)", "camera1/2026-11-01", "Zürich", "_raw"])
def test_without_a_format_any_safe_relative_name_is_a_partition(text: str) -> None:
    assert check_partition(text, "partition", None) == text


@pytest.mark.parametrize(
    "text",
    [
        "..",
        "a/../b",
        "../../etc",
        "/etc",
        "a//b",
        "a/",
        ".hidden",
        "a/.dirops",
        "_dirops",
        "a/_dirops/b",
        "nul\0",
        "two\nlines",
        "\udcff",
        "right\u202eleft",
        " a",
        "None",
        "x" * 251,
        "ü" * 128,
    ],
)
def test_without_a_format_unsafe_names_are_still_refused(text: str) -> None:
    with pytest.raises(ArgumentRefused, match="cannot name a partition"):
        check_partition(text, "partition", None)


def test_a_format_may_have_folders_in_it() -> None:
    assert check_partition("2026/11/01", "partition", "%Y/%m/%d") == "2026/11/01"


AFTER_MIDNIGHT_IN_TOKYO = pendulum.datetime(2026, 10, 31, 15, 30)  # 00:30 on the first of November


@pytest.mark.parametrize(
    "dag",
    [
        pytest.param(DAG("cron", schedule="30 0 * * *", start_date=pendulum.datetime(2026, 1, 1, tz=TOKYO)), id="DAG"),
        pytest.param(DAG("own", schedule=CronTriggerTimetable("30 0 * * *", timezone=TOKYO)), id="timetable"),
        pytest.param(
            DAG("manual", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz=TOKYO)), id="unscheduled"
        ),
    ],
)
def test_a_logical_date_is_read_in_the_timezone_of_the_schedule(dag: DAG) -> None:
    context: Any = {"dag": dag, "params": {}, "logical_date": AFTER_MIDNIGHT_IN_TOKYO, "partition_key": None}
    assert partition_of(context) == "2026-11-01"


def test_daily_partitions_runs_for_the_day_that_has_ended() -> None:
    assert _keys(daily_partitions("0 2 * * *"), "2026-11-02") == ["2026-11-01"]
    assert _keys(daily_partitions("0 2 * * *", run_offset=0), "2026-11-02") == ["2026-11-02"]
    assert _keys(daily_partitions("0 2 * * 1-5"), "2026-11-02") == ["2026-10-30"]  # a Monday, and its Friday


def test_daily_partitions_counts_days_where_the_schedule_is_meant() -> None:
    tokyo = daily_partitions("30 0 * * *", timezone=TOKYO, run_offset=0)
    assert _keys(tokyo, "2026-11-02", timezone=TOKYO) == ["2026-11-02"]


def test_daily_partitions_takes_airflows_default_timezone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", "Europe/Vienna")
    assert daily_partitions("@daily").timezone == "Europe/Vienna"
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", "system")
    assert daily_partitions("@daily").timezone == pendulum.tz.local_timezone()


def test_a_backfill_names_the_days_themselves() -> None:
    infos = _core(daily_partitions("0 2 * * *")).iter_partition_dagrun_infos(
        earliest=pendulum.datetime(2026, 11, 1), latest=pendulum.datetime(2026, 11, 3, 23)
    )
    assert [info.partition_key for info in infos] == ["2026-11-01", "2026-11-02", "2026-11-03"]


@pytest.mark.parametrize(
    ("conf", "is_valid"),
    [
        ({}, True),
        ({"partition": "2026-11-01", "full": True, "on_error": "quarantine"}, True),
        ({"partition": None, "full": None, "on_error": None, "dry_run": None}, True),
        ({"partition": "yesterday"}, False),
        ({"full": "yes"}, False),
        ({"on_error": "ignore"}, False),
    ],
)
def test_the_trigger_form_checks_what_is_filled_in(conf: dict[str, Any], is_valid: bool) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = DAG("form", schedule=None, params=dirops_params()).params
    with nullcontext() if is_valid else pytest.raises(ParamValidationError):
        params.update(conf)


def _core(timetable: CronPartitionTimetable) -> Any:
    """The timetable as the scheduler has it."""
    from airflow.serialization.encoders import coerce_to_core_timetable

    return coerce_to_core_timetable(timetable)


def _keys(timetable: CronPartitionTimetable, day: str, timezone: str = "UTC") -> list[str]:
    """The partition keys of the runs that a schedule starts on one day."""
    from airflow.timetables.base import TimeRestriction

    start = pendulum.from_format(day, "YYYY-MM-DD", tz=timezone)
    restriction = TimeRestriction(earliest=start, latest=start.add(days=1, seconds=-1), catchup=True)
    scheduler, keys, last = _core(timetable), [], None
    while last := scheduler.next_dagrun_info_v2(last_dagrun_info=last, restriction=restriction):
        keys.append(last.partition_key)
    return keys
