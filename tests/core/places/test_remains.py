"""Where a target is not there, the message says where it was looked for, and what its stage left."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, open_snapshot, read_directory, transform_directory, upkeep
from airflow_dirops.core.upkeep import rollback
from tests.text_files import read_text, values, write

TARGET = "interim/my target"
DOORS: dict[str, Callable[[], Any]] = {
    "open_snapshot": lambda: open_snapshot(TARGET),
    "a transform's source": lambda: transform_directory(source=TARGET, target="final", transform=str),
    "a reader's source": lambda: read_directory(source=TARGET, target="final", read=read_text, codec="text"),
    "one of several": lambda: transform_directory(source=["raw", TARGET], target="final", transform=str, join="inner"),
}


@pytest.fixture(autouse=True)
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "raw", a="a", b="b", c="c", d="d", e="e")
    return tmp_path / "raw"


def broken(path: str) -> str:
    raise ValueError(path)


def refusal(door: Callable[[], Any]) -> str:
    with pytest.raises((errors.ManifestMissing, errors.SourceMissing)) as refused:
        door()
    return str(refused.value)


def attempt(**options: Any) -> None:
    read_directory(source="raw", target=TARGET, **{"read": read_text, "codec": "text", **options})


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
class TestWhereNothingIs:
    def test_it_says_where_it_looked(self, door: Callable[[], Any], tmp_path: Path) -> None:
        assert repr(str(tmp_path / TARGET)) in refusal(door)

    def test_what_failed_in_the_last_try_is_named_and_its_command_lists_it(self, door: Callable[[], Any]) -> None:
        with pytest.raises(errors.TooManyFailures):
            attempt(read=broken, on_error="quarantine")
        told = refusal(door)
        assert "5 inputs failed, 'a.txt' (ValueError), 'b.txt' (ValueError), 'c.txt' (ValueError) and 2 more" in told
        program, command, target = shlex.split(re.findall(r"dirops failures .*", told)[0])
        assert (program, command) == ("dirops", "failures")
        assert len(upkeep.list_failures(target).inputs) == 5

    def test_what_can_be_brought_back_is(self, door: Callable[[], Any], raw: Path) -> None:
        attempt()
        (raw / "a.txt").write_text("later")
        attempt()
        shutil.rmtree(TARGET)
        (target,) = shlex.split(re.findall(r"1 that it had are kept: dirops rollback (.*)", refusal(door))[0])
        rollback(target)
        assert values(Path(TARGET))["a"] == "a"


def test_a_skip_for_want_of_a_folder_says_that_its_stage_failed() -> None:
    os.makedirs("interim")
    with pytest.raises(errors.RecordFailed):
        attempt(read=broken)
    reason = transform_directory(source=TARGET, target="final", transform=str, empty="skip").reason
    assert reason is not None
    assert "the last try committed nothing: 1 input failed, 'a.txt' (ValueError)" in reason


def test_of_an_ordinary_folder_nothing_is_said() -> None:
    assert "try" not in refusal(DOORS["open_snapshot"])
