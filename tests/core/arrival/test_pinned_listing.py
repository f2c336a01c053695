"""A stage that reads what a look saw: those files, whatever came, went or changed since."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_dirops.core import errors, read_directory
from airflow_dirops.core.arrival.arrival import look_for
from airflow_dirops.core.arrival.rules import Rules
from airflow_dirops.core.format.pins import ListingPin
from tests.text_files import read_text, values, write

_APART = 0.02
"""Longer than the clock of a file system stands still."""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write(tmp_path / "raw", one="1", two="2")
    time.sleep(_APART)
    return tmp_path / "raw"


def seen(raw: Path, **rules: Any) -> dict[str, Any]:
    """What a sensor would hand on, by way of JSON."""
    arrived = look_for(str(raw), Rules(**{"min_files": 1, **rules}))
    assert arrived.listing is not None, arrived.lacking
    time.sleep(_APART)
    found: dict[str, Any] = json.loads(json.dumps(ListingPin(directory=str(raw), listing=arrived.listing).to_dict()))
    return found


def stage(raw: Path, source: Any, **options: Any) -> dict[str, Any]:
    target = raw.parent / "interim"
    read_directory(source=source, target=target, read=read_text, codec="text", **options)
    return values(target)


def test_what_came_later_is_left_out_and_told_of(raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = seen(raw)
    write(raw, late="3")
    assert stage(raw, source) == {"one": "1", "two": "2"}
    assert "1 files in" in caplog.text
    assert "such as 'late.txt'" in caplog.text
    assert stage(raw, seen(raw)) == {"one": "1", "two": "2", "late": "3"}


def test_a_file_that_comes_with_an_old_time_is_later_all_the_same(raw: Path) -> None:
    source = seen(raw)
    write(raw, copied="3")
    os.utime(raw / "copied.txt", (0, 0))
    write(raw.parent / "elsewhere", moved="4")
    os.rename(raw.parent / "elsewhere/moved.txt", raw / "moved.txt")
    assert stage(raw, source) == {"one": "1", "two": "2"}


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: (raw / "one.txt").unlink(),
        lambda raw: (raw / "one.txt").write_text("another"),
        lambda raw: (raw / "one.txt").rename(raw / "renamed.txt"),
        lambda raw: os.utime(raw / "one.txt", (1, 1)),
        lambda raw: [file.unlink() for file in raw.iterdir()],
    ],
    ids=["gone", "changed", "renamed", "other time", "all gone"],
)
@pytest.mark.parametrize("empty", ["fail", "skip", "commit"])
def test_what_changed_or_went_away_is_an_error(raw: Path, change: Any, empty: str) -> None:
    source = seen(raw)
    change(raw)
    with pytest.raises(errors.ListingChanged, match=r"it had 2 files.*clear the sensor"):
        stage(raw, source, empty=empty)
    assert not (raw.parent / "interim").exists()


def test_a_folder_that_went_away_is_an_error_and_not_an_empty_one(raw: Path) -> None:
    source = seen(raw)
    raw.rename(raw.with_name("away"))
    with pytest.raises(errors.ListingChanged, match="and is gone"):
        stage(raw, source, empty="skip")


def test_files_whose_status_alone_changed_are_as_they_were(raw: Path) -> None:
    source = seen(raw)
    (raw / "one.txt").chmod(0o600)
    os.link(raw / "two.txt", raw.parent / "backup")
    assert stage(raw, source) == {"one": "1", "two": "2"}


def test_the_marker_is_no_input(raw: Path) -> None:
    (raw / "_READY").touch()
    assert stage(raw, seen(raw, marker="_READY")) == {"one": "1", "two": "2"}


def test_a_stage_may_read_less_than_was_seen_and_not_more(raw: Path) -> None:
    write(raw / "sub", three="3")
    (raw / "note.md").write_text("")
    time.sleep(_APART)
    assert stage(raw, seen(raw), pattern="*.txt") == {"one": "1", "two": "2"}
    assert stage(raw, seen(raw, pattern="o*.txt")) == {"one": "1"}


def test_of_a_join_each_source_may_be_pinned(raw: Path, tmp_path: Path) -> None:
    from airflow_dirops.core import transform_directory

    write(tmp_path / "masks", one="m", two="n")
    time.sleep(_APART)
    sources = [seen(raw), seen(tmp_path / "masks")]
    write(tmp_path / "masks", late="x")
    transform_directory(
        source=sources, target=tmp_path / "joined", read=read_text, transform=str.__add__, join="strict", codec="text"
    )
    assert values(tmp_path / "joined") == {"one": "1m", "two": "2n"}


@pytest.mark.parametrize(
    "spoiled",
    [{"listing": None}, {"listing": {"files": 1}}, {"directory": None}, {"directory": " "}, {"directory": 7}],
    ids=str,
)
def test_a_pin_that_is_none_is_refused(raw: Path, spoiled: dict[str, Any]) -> None:
    with pytest.raises(errors.ArgumentRefused, match=r"what (a|the) DirectorySensor returned"):
        stage(raw, {**seen(raw), **spoiled})


NAMES = st.lists(st.sampled_from([f"{name}.txt" for name in "abcdef"]), unique=True, min_size=1)


@given(before=NAMES, after=NAMES)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_reads_what_was_seen_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str]
) -> None:
    raw = tmp_path_factory.mktemp("any") / "raw"
    raw.mkdir()
    for name in before:
        (raw / name).write_text(name)
    time.sleep(_APART)
    source = seen(raw)
    for name in set(before) - set(after):
        (raw / name).unlink()
    for name in set(after) - set(before):
        (raw / name).write_text(name)
    if set(before) <= set(after):
        assert set(stage(raw, source)) == {name.removesuffix(".txt") for name in before}
    else:
        with pytest.raises(errors.ListingChanged):
            stage(raw, source)
