"""Stages over several partitions: which they are in which run, and what becomes of those that are missing."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk import DAG
from hypothesis import given, settings
from hypothesis.strategies import booleans, dates, datetimes, integers, sampled_from

from airflow_dirops import StagedTransformOperator, daily_partitions, dirops_params
from airflow_dirops.calendar.windows import PartitionWindow, partitions
from airflow_dirops.core import errors, read_directory, read_manifest, transform_directory
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")
PATH = "interim/{partition}"
BERLIN = "%Y/%m/%d/%H%z"


def commit(root: Path, *days: str) -> None:
    for day in days:
        write(root / "raw" / day, a=day)
        read_directory(
            source=root / "raw" / day, target=root / "interim" / day, read=read_text, codec="text", stage="to_text"
        )


def keys(records: Any) -> str:
    return " ".join(record.key for record in records)


def roll_up(runs: Runs, source: PartitionWindow, partition: str, **options: Any) -> Any:
    with DAG("week", schedule=None, params=dirops_params()) as dag:
        StagedTransformOperator(
            task_id="week",
            **{"source": source, "target": "final/{partition}", "aggregate": keys, "codec": "text", **options},
        )
    return runs(dag, conf={"partition": partition})


def test_the_window_ends_with_the_partition_of_the_run(runs: Runs, root: Path) -> None:
    commit(root, *DAYS)
    run = roll_up(runs, partitions(PATH, last=2), DAYS[1])
    assert run.state("week") == "success"
    assert values(root / "final" / DAYS[1]) == {"keys": "2026-11-01/a 2026-11-02/a"}
    assert "2026-11-01 to 2026-11-02, 2" in str(run.rendered("week")["source"])


def test_a_target_without_a_partition_moves_on_with_the_window(runs: Runs, root: Path) -> None:
    commit(root, *DAYS)
    for day in DAYS[1:]:
        each = {"aggregate": None, "transform": str.upper, "target": "final/last_two"}
        assert roll_up(runs, partitions(PATH, last=2), day, **each).state("week") == "success"
    assert values(root / "final/last_two") == {"2026-11-02/a": "2026-11-02", "2026-11-03/a": "2026-11-03"}


def test_a_run_for_a_week_takes_its_days(runs: Runs, root: Path) -> None:
    commit(root, "2026-11-02", "2026-11-08", "2026-11-09")
    source = partitions(PATH, missing="allow", partition_format="%Y-%m-%d")
    run = roll_up(runs, source, "2026-W45", partition_format="%G-W%V")
    assert run.state("week") == "success"
    assert values(root / "final/2026-W45") == {"keys": "2026-11-02/a 2026-11-08/a"}
    listed = read_manifest(root / "final/2026-W45").partitions
    assert [each.partition for each in listed if each.snapshot is None] == [f"2026-11-0{day}" for day in range(3, 8)]


def test_a_missing_partition_fails_and_says_which(runs: Runs, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    commit(root, DAYS[0], DAYS[2])
    assert roll_up(runs, partitions(PATH, last=3), DAYS[2]).state("week") != "success"
    told = capfd.readouterr()
    assert "1 of the 3 partitions" in told.out + told.err
    assert roll_up(runs, partitions(PATH, last=3, missing="allow"), DAYS[2]).state("week") == "success"


def test_missing_partitions_are_waited_for(runs: Runs, root: Path) -> None:
    from threading import Timer

    commit(root, DAYS[0])
    later = [Timer(after, commit, (root, day)) for after, day in ((3, DAYS[1]), (6, DAYS[2]))]
    for timer in later:
        timer.start()
    run = roll_up(runs, partitions(PATH, last=3, missing="wait"), DAYS[2])
    for timer in later:
        timer.join()
    assert run.state("week") == "success"
    assert values(root / "final" / DAYS[2]) == {"keys": " ".join(f"{day}/a" for day in DAYS)}


def test_templates_in_a_window_are_rendered(runs: Runs, root: Path) -> None:
    commit(root, *DAYS)
    source = partitions("{{ params.place }}/{partition}", since="{{ params.since }}", until=DAYS[2])
    with DAG("since", schedule=None, params={"place": "interim", "since": DAYS[1]}) as dag:
        StagedTransformOperator(task_id="week", source=source, target="final/all", aggregate=keys, codec="text")
    assert runs(dag).state("week") == "success"
    assert values(root / "final/all") == {"keys": "2026-11-02/a 2026-11-03/a"}


@pytest.mark.parametrize(
    ("window", "run", "run_format", "expected"),
    [
        ({"last": 3}, "2026-03-01", "%Y-%m-%d", ["2026-02-27", "2026-02-28", "2026-03-01"]),
        ({"last": 2}, "2026/01/01/00", "%Y/%m/%d/%H", ["2025/12/31/23", "2026/01/01/00"]),
        ({"last": 2}, "2027-W01", "%G-W%V", ["2026-W53", "2027-W01"]),
        ({"last": 2, "partition_format": "%Y-%m-%d"}, "2026-02", "%Y-%m", ["2026-02-27", "2026-02-28"]),
        ({"of": "week"}, "2026-11-04", "%Y-%m-%d", [f"2026-11-0{day}" for day in range(2, 9)]),
        ({"of": "month"}, "2026-02-04", "%Y-%m-%d", [f"2026-02-{day:02}" for day in range(1, 29)]),
        ({"of": "year"}, "2026-04", "%Y-%m", [f"2026-{month:02}" for month in range(1, 13)]),
        ({"of": "day"}, "2026-04-01T05", "%Y-%m-%dT%H", [f"2026-04-01T{hour:02}" for hour in range(24)]),
        ({"since": "2026-11-03"}, "2026-11-04", "%Y-%m-%d", ["2026-11-03", "2026-11-04"]),
        ({"since": "2026-11-03", "until": "2026-11-03"}, None, "%Y-%m-%d", ["2026-11-03"]),
        ({"names": ["north", "south"]}, "2026-11-04", "%Y-%m-%d", ["north", "south"]),
        ({"partition_format": "%Y-%m-%d"}, "2024-02", "%Y-%m", [f"2024-02-{day:02}" for day in range(1, 30)]),
    ],
)
def test_which_partitions_a_window_takes(window: Any, run: str | None, run_format: str, expected: list[str]) -> None:
    asked = partitions(PATH, **window).settle(run, run_format, datetime.fromisoformat("2028-01-01T00:00+00:00"))
    assert list(asked.names) == expected


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ({"last": -3}, "last=-3 is no number of partitions; the least is 1"),
        ({"last": 10**30, "until": "2026-01-01"}, "in two steps"),
        ({"last": 2, "until": "2026/10/25/02+0100", "partition_format": BERLIN}, "give timezone="),
        ({"last": 2, "until": "2026/10/25/02+0100", "partition_format": "%Y-%m-%d"}, "names no partition as"),
        ({"last": 2, "until": "2026-10-25", "partition_format": BERLIN}, "such as '2026/11/26/00"),
        ({"last": 2, "until": "2026/10/25/02+0100", "timezone": "Europe/Nowhere"}, "give a name such as"),
        ({"last": 2, "until": "2026/10/25/02+0100", "timezone": "../etc"}, "give a name such as"),
        ({"last": 2, "until": "2999/10/25/02+0100", "timezone": "UTC", "partition_format": BERLIN}, "in the future"),
        ({"last": 0}, "last=0 is no number of partitions; the least is 1"),
        ({"last": True}, "no number"),
        ({"names": []}, "not one of them"),
        ({"names": "2026-11-01"}, "give a list"),
        ({"last": 2, "of": "week"}, "one of last="),
        ({"of": "fortnight"}, "none of 'day', 'week'"),
        ({"last": 2, "missing": "ignore"}, "none of 'fail', 'allow', 'wait'"),
        ({"last": 2, "partition_format": "%d"}, "cannot name folders"),
        ({"last": 2, "until": "2026-1-1"}, "names no partition"),
        ({"since": "2026-11-05", "until": "2026-11-01"}, "before it begins"),
        ({"last": 2}, "give until="),
        ({"last": 2, "until": "2999-01-01"}, "in the future"),
        ({"last": 800, "until": "2026-01-01"}, "in two steps"),
    ],
)
def test_a_window_that_no_run_could_use_is_refused(window: Any, message: str) -> None:
    with pytest.raises(errors.ArgumentRefused, match=message):
        partitions(PATH, **window).settle()


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ({"names": []}, "not one of them"),
        ({"names": ["../x"]}, "'../x' cannot be a folder"),
        ({"names": [3]}, "the name 3 cannot be a folder"),
        ({"names": ["a", "a/b"]}, "'a/b' lies in 'a'"),
        ({"until": "2026-1-1", "partition_format": "%Y-%m-%d"}, "until='2026-1-1' names no partition"),
        ({"since": "November", "partition_format": "%Y-%m"}, "since='November' names no partition"),
        ({"since": 7}, "since=7 is a int"),
        ({"partition_format": 7}, "it is no text"),
        ({"partition_format": ""}, "it is empty"),
        ({"partition_format": "schedule"}, "leave it out"),
    ],
)
def test_what_needs_no_run_to_be_seen_is_refused_when_the_dag_is_read(window: Any, message: str) -> None:
    with pytest.raises(errors.ArgumentRefused, match=message):
        partitions(PATH, **window)


@pytest.mark.parametrize(
    ("window", "run", "run_format", "expected"),
    [
        ({"last": 4}, "2026/10/25/03+0100", BERLIN, ["01+0200", "02+0100", "02+0200", "03+0100"]),
        ({"last": 3}, "2026/03/29/04+0200", BERLIN, ["01+0100", "03+0200", "04+0200"]),
        ({"since": "2026/10/25/02+0200"}, "2026/10/25/03+0100", BERLIN, ["02+0100", "02+0200", "03+0100"]),
        ({"since": "2026/10/25/02+0100"}, "2026/10/25/02+0100", BERLIN, ["02+0100"]),
        ({}, "2026/10/25/02+0100", BERLIN, ["02+0100"]),
    ],
)
def test_hours_follow_one_another_where_clocks_change(
    window: Any, run: str, run_format: str, expected: list[str]
) -> None:
    asked = partitions(PATH, timezone="Europe/Berlin", **window).settle(run, run_format)
    assert [name[-7:] for name in asked.names] == expected


@pytest.mark.parametrize(("day", "count"), [("2026-10-25", 25), ("2026-03-29", 23), ("2026-03-30", 24)])
@pytest.mark.parametrize("window", [{}, {"of": "day"}])
def test_a_day_has_the_hours_that_its_clocks_show(day: str, count: int, window: Any) -> None:
    names = partitions(PATH, partition_format=BERLIN, timezone="Europe/Berlin", **window).settle(day).names
    assert len(set(names)) == len(names) == count
    assert {name[:10] for name in names} == {day.replace("-", "/")}


ZONES = ("Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Beirut", "UTC")


@given(
    zone=sampled_from(ZONES),
    begin=datetimes(datetime(2015, 1, 1), datetime(2025, 1, 1)),
    count=integers(1, 60),
    forwards=booleans(),
)
@settings(max_examples=150, deadline=None)
def test_a_window_has_each_hour_that_a_clock_shows_once(zone: str, begin: datetime, count: int, forwards: bool) -> None:
    """Against a plain calendar: what the clock shows, minute by minute, with each change of the hour or the offset."""
    clock, minute = ZoneInfo(zone), timedelta(minutes=1)
    instant, shown = begin.replace(second=0, microsecond=0, tzinfo=UTC), []
    while len(shown) < count:
        if (hour := instant.astimezone(clock).strftime(BERLIN)) not in shown[-1:]:
            shown.append(hour)
        instant += minute
    window = {"since": shown[0]} if forwards else {"last": count}
    asked = partitions(PATH, timezone=zone, **window).settle(shown[-1], BERLIN)
    assert list(asked.names) == sorted(shown)


@given(zone=sampled_from(ZONES), day=dates(date(2015, 1, 1), date(2025, 1, 1)))
@settings(max_examples=100, deadline=None)
def test_the_days_of_a_zone_share_out_its_hours(zone: str, day: date) -> None:
    """No hour is in two days, and none is in no day."""
    clock, minute = ZoneInfo(zone), timedelta(minutes=1)
    instant = datetime.combine(day - timedelta(days=1), time(), UTC)
    shown = {
        each.strftime(BERLIN)
        for m in range(4 * 24 * 60)
        if (each := (instant + m * minute).astimezone(clock)).date() == day
    }
    asked = partitions(PATH, partition_format=BERLIN, timezone=zone).settle(day.isoformat())
    assert list(asked.names) == sorted(shown)


def test_the_schedule_says_in_which_zone_the_hours_of_a_day_are(runs: Runs, root: Path) -> None:
    hours = [f"2026/10/25/{hour}" for hour in ("01+0200", "02+0200", "02+0100", "03+0100")]
    commit(root, *hours)
    with DAG("hours", schedule=daily_partitions("0 2 * * *", timezone="Europe/Berlin")) as dag:
        source = partitions(PATH, missing="allow", partition_format=BERLIN)
        StagedTransformOperator(task_id="week", source=source, target="final/{partition}", aggregate=keys, codec="text")
    assert runs(dag, key="2026-10-25").state("week") == "success"
    assert values(root / "final/2026-10-25") == {"keys": " ".join(f"{hour}/a" for hour in sorted(hours))}
    assert len(read_manifest(root / "final/2026-10-25").partitions) == 25


def test_a_window_is_a_source_without_airflow(root: Path) -> None:
    commit(root, *DAYS)
    source = partitions(root / PATH, last=2, until=DAYS[1])
    transform_directory(source=source, target=root / "two", aggregate=keys, codec="text")
    assert values(root / "two") == {"keys": "2026-11-01/a 2026-11-02/a"}
    with pytest.raises(errors.ArgumentRefused, match="give until="):
        transform_directory(source=partitions(PATH, last=2), target=root / "two", aggregate=keys)


@pytest.mark.parametrize("missing", ["fail", "allow"])
def test_a_target_of_which_no_partition_is_there_fails(root: Path, missing: Any) -> None:
    source = partitions(root / "nowhere/{partition}", last=3, until=DAYS[2], missing=missing)
    with pytest.raises(errors.SourceMissing, match=r"3 of the 3 partitions .* check the path and that it is mounted"):
        transform_directory(source=source, target=root / "out", aggregate=keys, codec="text")


def test_a_partition_in_the_future_may_be_missing_or_waited_for() -> None:
    for missing in ("allow", "wait"):
        assert len(partitions(PATH, last=2, until="2999-01-01", missing=missing).settle()) == 2
