"""When a folder is complete: what is said to be lacking, and what can never come true."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, read_directory
from airflow_dirops.core.arrival.arrival import Arrived, look_for
from airflow_dirops.core.arrival.rules import Rules
from tests.text_files import read_text, write


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write(tmp_path / "raw", one="1", two="22")
    (tmp_path / "raw/_READY").touch()
    time.sleep(0.02)
    return tmp_path / "raw"


def look(raw: Path, before: Arrived | None = None, **rules: Any) -> Arrived:
    return look_for(str(raw), Rules(**rules), before.memory if before else None)


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"marker": "_DONE"}, r"its marker '_DONE' is not there"),
        ({"expected": ["one.txt", "three.txt"]}, r"of 2 expected files 1 are not there: 'three.txt'"),
        ({"expected": [f"new{n}.txt" for n in range(9)]}, r"9 are not there: 'new0.txt', .*'new4.txt' and 4 more"),
        ({"min_files": 4}, r"it has 3 files that match '\*\*/\*', not 4"),
        ({"min_files": 3, "marker": "_READY"}, r"it has 2 files"),
        ({"min_bytes": 4}, r"have 3 bytes, not 4"),
        ({"quiet_for": 60}, r"changed 0 s ago, and nothing shall for 60 s"),
        ({"same_looks": 2}, r"the same over 1 looks in a row, not 2"),
        ({"min_files": 9, "min_bytes": 9}, r"not 9; its"),
        ({"min_files": 1, "pattern": "*.png"}, r"it has 0 files that match '\*.png', not 1"),
    ],
    ids=str,
)
def test_what_is_lacking_is_said(raw: Path, rules: dict[str, Any], says: str) -> None:
    import re

    arrived = look(raw, **rules)
    assert arrived.listing is None
    assert re.search(says, arrived.lacking), arrived.lacking


@pytest.mark.parametrize(
    "rules",
    [
        {"marker": "_READY"},
        {"expected": ["one.txt"]},
        {"min_files": 3},
        {"min_bytes": 3},
        {"marker": "_READY", "expected": ["one.txt", "two.txt"], "min_files": 2, "min_bytes": 3},
        {"min_files": 2, "pattern": "*.txt"},
    ],
    ids=str,
)
def test_all_rules_that_are_given_must_hold(raw: Path, rules: dict[str, Any]) -> None:
    assert look(raw, **rules).listing


def test_an_empty_folder_is_complete_only_if_its_writer_says_so(tmp_path: Path) -> None:
    assert "0 files" in look(tmp_path, quiet_for=0.01).lacking
    (tmp_path / "_READY").touch()
    found = look(tmp_path, marker="_READY").listing
    assert found is not None
    assert found.files == 0


def test_quiet_is_since_the_last_change_of_any_kind(raw: Path) -> None:
    os.utime(raw / "one.txt", (0, 0))
    assert "'one.txt' changed 0 s ago" in look(raw, quiet_for=30).lacking
    time.sleep(0.3)
    assert look(raw, quiet_for=0.2).listing


def test_the_same_over_looks_begins_anew_with_each_change(raw: Path) -> None:
    first = look(raw, same_looks=3)
    second = look(raw, first, same_looks=3)
    assert "2 looks" in second.lacking
    write(raw, three="3")
    third = look(raw, second, same_looks=3)
    assert "over 1 looks" in third.lacking
    assert look(raw, look(raw, third, same_looks=3), same_looks=3).listing


def test_a_file_system_whose_clock_is_ahead_is_waited_for_by_looking(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    first = look(raw, quiet_for=0.2)
    assert "nothing shall for" in first.lacking
    time.sleep(0.3)
    assert look(raw, first, quiet_for=0.2).listing


def test_a_link_that_leads_nowhere_is_not_there_yet(raw: Path) -> None:
    (raw / "three.txt").symlink_to("/nowhere/three.txt")
    assert "1 links in it lead nowhere: 'three.txt'; what" in look(raw, min_files=1).lacking


def test_a_folder_that_is_not_there_is_not_there_yet(tmp_path: Path) -> None:
    assert f"that is there is {str(tmp_path)!r}" in look(tmp_path / "a/b", min_files=1).lacking
    (tmp_path / "link").symlink_to("/nowhere/at/all")
    assert "is a link to '/nowhere/at/all'" in look(tmp_path / "link", min_files=1).lacking


@pytest.mark.parametrize("path", ["raw/one.txt", "raw/one.txt/deeper/still", "committed"])
def test_a_place_that_can_never_be_such_a_folder_is_an_error_at_once(raw: Path, tmp_path: Path, path: str) -> None:
    read_directory(source=raw, target=tmp_path / "committed", read=read_text, codec="text")
    with pytest.raises(errors.ArgumentRefused, match=r"is a file|ManifestSensor"):
        look(tmp_path / path, min_files=1)


@pytest.mark.parametrize("rules", [{"marker": "sub"}, {"expected": ["sub"]}], ids=str)
def test_a_directory_in_a_files_place_is_an_error_at_once(raw: Path, rules: dict[str, Any]) -> None:
    write(raw / "sub", three="3")
    with pytest.raises(errors.ArgumentRefused, match="is a directory"):
        look(raw, **rules)


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({}, "nothing says when"),
        ({"min_files": 0}, "nothing says when"),
        ({"expected": []}, "nothing says when"),
        ({"min_files": -1}, "min_files=-1"),
        ({"min_files": True}, "min_files=True"),
        ({"min_bytes": 1.5}, "min_bytes=1.5"),
        ({"same_looks": 1}, "same_looks=1 is no count of 2 or more"),
        ({"quiet_for": 0}, "quiet_for=0"),
        ({"quiet_for": float("nan")}, "quiet_for=nan"),
        ({"marker": ""}, "marker=''"),
        ({"marker": "/abs"}, "marker='/abs'"),
        ({"marker": "../x"}, "leads out"),
        ({"marker": "sub/"}, "marker='sub/'"),
        ({"expected": "a.txt"}, r"write expected=\['a.txt'\]"),
        ({"expected": ["a.txt"], "pattern": "*.png"}, "does not match pattern"),
        ({"expected": ["_READY"], "marker": "_READY"}, "leave it out of expected"),
        ({"expected": [".hidden"]}, "make it the marker"),
        ({"expected": [7]}, "expected=7"),
        ({"min_files": 1, "pattern": ""}, "pattern"),
    ],
    ids=str,
)
def test_rules_that_can_never_hold_are_refused(rules: dict[str, Any], says: str) -> None:
    with pytest.raises(errors.ArgumentRefused, match=says):
        Rules(**rules)


def test_a_marker_may_have_a_hidden_name(raw: Path) -> None:
    (raw / ".done").touch()
    assert look(raw, marker=".done").listing
