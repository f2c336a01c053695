"""``dirops status``: which days are missing, stale or damaged, for a person and for a script."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from airflow_dirops.calendar.expected import ExpectedBetween, format_of
from airflow_dirops.core import errors, read_directory
from tests.cli.calls import dirops, parsed
from tests.text_files import read_text, write

DAYS = [f"2026-11-{day:02}" for day in range(1, 8)]


def commit(data: Path, day: str, stage: str = "dag.read", **options: object) -> None:
    write(data / "raw" / day, a=day, b="b")
    os.utime(data / "raw" / day, (0, 0))
    read_directory(
        source=data / "raw" / day,
        target=data / "interim" / day,
        read=read_text,
        codec="text",
        stage=stage,
        partition=day,
        **options,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for day in DAYS:
        commit(tmp_path, day)
    return tmp_path


def test_a_person_sees_runs_of_days_that_are_alike_and_what_they_cost(data: Path) -> None:
    assert dirops("status", cwd=data).returncode == 0
    for day in DAYS[2:5]:
        shutil.rmtree(data / "interim" / day)
        shutil.rmtree(data / "interim/.dirops" / day)
    done = dirops("status", data, cwd=data)
    assert done.returncode == 1
    assert "1 stages, 7 partitions" in done.stdout
    assert "2026-11-03 to 2026-11-05 (3)" in done.stdout
    assert "absent" in done.stdout
    assert "going by earlier runs" in done.stdout


def test_dates_are_from_and_to_and_all_of_them_are_expected(data: Path) -> None:
    found = parsed("status", data, "2026-11-06..2026-11-10", cwd=data)
    (stage,) = found["stages"]
    assert {each["partition"]: each["state"] for each in stage["partitions"]} == {
        **dict.fromkeys(("2026-11-06", "2026-11-07"), "whole"),
        **dict.fromkeys(("2026-11-08", "2026-11-09", "2026-11-10"), "absent"),
    }
    assert found["counts"] == {"absent": 3, "whole": 2}
    assert found["cost"]["files"] == 6
    assert found["is_whole"] is False
    assert dirops("status", data, "2026-11..2026-11", cwd=data).returncode == 1
    assert dirops("status", data, "2026-11-01..2026-11-07", cwd=data).returncode == 0


def test_a_script_asks_for_some_states_alone(data: Path) -> None:
    commit(data, "2026-11-08", version="2")
    assert dirops("status", data, cwd=data).returncode == 1
    assert dirops("status", data, "--only", "absent", "--only", "damaged", cwd=data).returncode == 0
    assert dirops("status", data, "--only", "stale", cwd=data).returncode == 1
    found = parsed("status", data, "--only", "stale", cwd=data)
    assert [len(stage["partitions"]) for stage in found["stages"]] == [7]


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        (["empty"], "manifest-missing"),
        (["nowhere"], "source-missing"),
        ([".", "--only", "broken"], "argument-refused"),
        ([".", "2026-11-05..2026-11-01"], "argument-refused"),
        ([".", "2026-11-05..2026-33-01"], "argument-refused"),
    ],
)
def test_what_cannot_be_looked_at_exits_with_2(data: Path, typed: list[str], kind: str) -> None:
    (data / "empty").mkdir()
    done = dirops("status", *typed, cwd=data)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{kind}: ")


def test_a_header_of_a_newer_version_exits_with_2_and_a_damaged_one_with_1(data: Path) -> None:
    header = data / "interim" / DAYS[0] / "_dirops/manifest.json"
    header.write_text("{")
    assert dirops("status", data, cwd=data).returncode == 1
    header.write_text('{"format": "dirops/99"}')
    assert dirops("status", data, cwd=data).returncode == 2
    assert dirops("status", data, "2026-11-02..2026-11-03", cwd=data).returncode == 0


def test_hostile_manifests_cannot_steer_a_terminal(data: Path) -> None:
    evil = "\x1b[2J<script>alert(1)</script>"
    commit(data, "2026-11-08", stage=evil, run=evil, limit=1)
    done = dirops("status", data, cwd=data)
    assert "\x1b" not in done.stdout + done.stderr
    assert "\\x1b[2J<script>" in done.stdout


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_goes_on(data: Path) -> None:
    deep = data / "interim" / ("d" * 200)
    for _ in range(30):  # longer than a path may be: even root cannot look into it by its path
        deep = deep / ("d" * 200)
    descriptor = os.open(data / "interim", os.O_RDONLY)
    for _ in range(31):
        os.mkdir("d" * 200, dir_fd=descriptor)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    done = dirops("status", data, cwd=data)
    assert done.returncode == 2
    assert "storage-error" in done.stderr
    assert "7 partitions" in done.stdout


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (["2026-11-01", "2026-11-02"], "%Y-%m-%d"),
        (["2026/11/01"], "%Y/%m/%d"),
        (["2026-11-01T00", "2026-11-01T23"], "%Y-%m-%dT%H"),
        (["2026-W45", "2026-W46"], "%G-W%V"),
        (["2026-11"], "%Y-%m"),
        (["20261101"], "%Y%m%d"),
        (["run-1"], None),
        ([], None),
    ],
)
def test_how_partitions_are_named_tells_which_there_should_be(names: list[str], form: str | None) -> None:
    assert format_of(names) == form


def test_a_month_has_weeks_and_hours() -> None:
    november = ExpectedBetween("2026-11-01", "2026-11-30")
    assert [*(november("s", ["2026-W45"]) or ())] == [f"2026-W{week}" for week in range(44, 50)]
    assert len(november("s", ["2026-11-05T07"]) or ()) == 30 * 24
    assert november("s", ["left", "right"]) is None
    with pytest.raises(errors.ArgumentRefused):
        ExpectedBetween("2026-11-01", "9998-11-30")
