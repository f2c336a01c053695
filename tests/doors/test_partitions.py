"""Which partition a run works on, and which names cannot be one."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, CronTriggerTimetable, PartitionedAtRuntime

from airflow_dirops import daily_partitions, dirops_params
from airflow_dirops.calendar.checks import check_partition
from airflow_dirops.calendar.partitions import Said, resolve_partition
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.runtime.context import partition_of

TOKYO = "Asia/Tokyo"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({"key": "2026-11-01"}, "2026-11-01", id="partition key"),
        pytest.param({"param": "2026-11-02"}, "2026-11-02", id="trigger form"),
        pytest.param({"day": datetime(2026, 11, 3)}, "2026-11-03", id="logical date"),
        pytest.param({"due": "2026-11-04"}, "2026-11-04", id="last one due"),
        pytest.param({"key": "2026-11-01", "day": datetime(2026, 11, 3)}, "2026-11-01", id="key before date"),
        pytest.param({"param": "2026-11-02", "day": datetime(2026, 11, 3)}, "2026-11-02", id="form before date"),
        pytest.param({"param": "", "due": "2026-11-04"}, "2026-11-04", id="a form that was emptied"),
        pytest.param({"day": datetime(2026, 11, 3), "due": "2026-11-04"}, "2026-11-03", id="date before last one due"),
        pytest.param({"key": "2026-11-01", "param": "2026-11-01"}, "2026-11-01", id="key and form agree"),
        pytest.param({"key": "2026-11-01", "param": "2026-11-02", "in_backfill": True}, "2026-11-01", id="backfill"),
    ],
)
def test_the_first_that_is_there_decides(said: dict[str, Any], expected: str) -> None:
    assert resolve_partition(Said(**said))[0] == expected


def test_a_form_that_contradicts_the_key_is_an_error_that_shows_both() -> None:
    with pytest.raises(ArgumentRefused, match=r"'2026-11-01'.*'2026-11-02'"):
        resolve_partition(Said(key="2026-11-01", param="2026-11-02"))


def test_a_run_that_names_no_partition_is_told_every_way_to_name_one() -> None:
    with pytest.raises(ArgumentRefused, match=r"partition key.*dirops_params\(\).*partition="):
        resolve_partition(Said())


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


def by_hand(dag: DAG, **context: Any) -> Any:
    """A run that somebody triggered at noon on the second of November, and filled in nothing."""
    run = SimpleNamespace(run_type="manual", run_after=pendulum.datetime(2026, 11, 2, 12))
    return {"dag": dag, "params": {}, "logical_date": None, "partition_key": None, "dag_run": run, **context}


@pytest.mark.parametrize(
    ("schedule", "partition_format", "expected"),
    [
        pytest.param(daily_partitions("0 2 * * *"), "%Y-%m-%d", "2026-11-01", id="the day before"),
        pytest.param(daily_partitions("0 2 * * *", run_offset=0), "%Y-%m-%d", "2026-11-02", id="the day itself"),
        pytest.param(
            daily_partitions("0 2 * * *", partition_format="%Y/%m/%d"), "%Y/%m/%d", "2026/11/01", id="nested folders"
        ),
        pytest.param(PartitionedAtRuntime(), "%Y-%m-%d", "2026-11-01", id="no schedule"),
        pytest.param("0 2 * * *", "%G-W%V", "2026-W44", id="weeks"),
        pytest.param(None, "%Y-%m", "2026-10", id="months"),
    ],
)
def test_a_run_by_hand_that_names_nothing_works_on_the_last_that_has_ended_and_says_so(
    schedule: Any, partition_format: str, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    dag = DAG("by_hand", schedule=schedule, start_date=pendulum.datetime(2026, 1, 1))
    with caplog.at_level(logging.INFO, "airflow_dirops"):
        assert partition_of(by_hand(dag), partition_format) == expected
    assert f"works on '{expected}'" in caplog.text


def test_nothing_is_guessed_for_a_run_that_nobody_triggered_by_hand() -> None:
    dag = DAG("events", schedule=None)
    run = SimpleNamespace(run_type="asset_triggered", run_after=pendulum.datetime(2026, 11, 2, 12))
    with pytest.raises(ArgumentRefused, match="names no partition"):
        partition_of(by_hand(dag, dag_run=run))
    with pytest.raises(ArgumentRefused, match="names no partition"):
        partition_of(by_hand(dag), None)  # names that are no dates


def test_in_a_backfill_the_runs_key_decides_and_the_log_says_that_the_form_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dag = DAG("backfilled", schedule=daily_partitions("0 2 * * *"))
    run = SimpleNamespace(run_type="backfill", run_after=pendulum.datetime(2026, 11, 2))
    context = by_hand(dag, dag_run=run, partition_key="2026-11-01", params={"partition": "2026-11-05"})
    with caplog.at_level(logging.INFO, "airflow_dirops"):
        assert partition_of(context) == "2026-11-01"
    assert "the form of this backfill says partition='2026-11-05'".lower() in caplog.text.lower()


@pytest.mark.parametrize(
    ("conf", "is_valid"),
    [
        ({}, True),
        ({"partition": "2026-11-01", "redo": "all", "on_error": "quarantine"}, True),
        ({"partition": None, "redo": None, "on_error": None, "dry_run": None}, True),
        ({"partition": "yesterday"}, False),
        ({"redo": "yes"}, False),
        ({"on_error": "ignore"}, False),
        ({"max_failures": "5%"}, True),
        ({"max_failures": "20"}, True),
        ({"max_failures": False}, False),
    ],
)
def test_the_trigger_form_checks_what_is_filled_in(conf: dict[str, Any], is_valid: bool) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = DAG("form", schedule=None, params=dirops_params()).params
    with nullcontext() if is_valid else pytest.raises(ParamValidationError):
        params.update(conf)
