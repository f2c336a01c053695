"""What a change of the code makes stale that was not before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_dirops.core import read_directory, replanned, status, transform_directory
from airflow_dirops.core.fingerprint import fingerprint
from airflow_dirops.core.format.code import Code
from tests.text_files import read_text, write

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


def code(version: str) -> Code:
    return fingerprint(read_text, codec="text", params=None, version=version, by_keyword=())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three days of which another version has made the first, and all of them a stage behind it."""
    for day in DAYS:
        write(tmp_path / "raw" / day, a=day, b="b")
        os.utime(tmp_path / "raw" / day, (0, 0))
        version = "0" if day == DAYS[0] else "1"
        read_directory(
            source=tmp_path / "raw" / day, target=tmp_path / "read" / day, read=read_text, codec="text", stage="read",
            partition=day, version=version,
        )  # fmt: skip
        transform_directory(
            source=tmp_path / "read" / day, target=tmp_path / "loud" / day, transform=str.upper, codec="text",
            stage="loud", partition=day, version="1",
        )  # fmt: skip
    return tmp_path


def test_what_was_stale_already_is_left_out_and_what_follows_is_told(data: Path) -> None:
    before, after = (status(data, code={"read": code(version)}) for version in ("1", "2"))
    read, loud = replanned(before, after)
    assert (read.stage, read.cause, read.partitions) == ("read", "code", DAYS[1:])
    assert (loud.stage, loud.cause, loud.partitions) == ("loud", "upstream", DAYS[1:])
    assert read.cost is not None
    assert (read.cost.files, read.cost.at_most) == (4, False)
    assert loud.cost is not None
    assert loud.cost.at_most
    assert "version" in " ".join(read.changes)


def test_the_same_code_makes_nothing_anew(data: Path) -> None:
    found = status(data, code={"read": code("1")})
    assert replanned(found, found) == []


def test_a_stage_of_which_nothing_is_known_is_left_as_it_is(data: Path) -> None:
    assert replanned(status(data), status(data, code={"other": code("9")})) == []
