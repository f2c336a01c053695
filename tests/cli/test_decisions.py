"""``dirops held``, ``publish`` and ``reject``, and what ``log``, ``status`` and ``clean`` say of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_dirops.core import Outcome, read_directory, read_manifest
from tests.cli.calls import dirops, parsed
from tests.text_files import read_text, values, write


def run(root: Path, **options: object) -> Outcome:
    return read_directory(
        source=root / "raw", target=root / "t" / "day", read=read_text, codec="text", stage="s", version="1", **options
    )


@pytest.fixture
def held(tmp_path: Path) -> Outcome:
    write(tmp_path / "raw", a="old")
    run(tmp_path)
    write(tmp_path / "raw", a="new", b="too")
    return run(tmp_path, publish="hold")


def test_what_is_held_is_listed_with_an_exit_code(held: Outcome, tmp_path: Path) -> None:
    done = dirops("held", "t", "-r", cwd=tmp_path)
    assert (done.returncode, str(held.snapshot) in done.stdout) == (1, True)
    ((listed,),) = [each["result"] for each in parsed("held", "t", "-r", cwd=tmp_path)]
    assert (listed["snapshot"], listed["files"]) == (held.snapshot, 2)
    dirops("reject", "t/day", "--reason", "no", cwd=tmp_path)
    assert dirops("held", "t/day", cwd=tmp_path).returncode == 0


def test_publish(held: Outcome, tmp_path: Path) -> None:
    done = parsed("publish", "t/day", "--reason", "sharp", cwd=tmp_path)
    assert done["snapshot"] == held.snapshot
    assert done["made by"].startswith("publish by ")
    assert done["made by"].endswith(": sharp")
    assert values(tmp_path / "t/day") == {"a": "new", "b": "too"}
    shown = dirops("show", "t/day", cwd=tmp_path)
    assert "sharp" in shown.stdout
    assert "sharp" in dirops("log", "t/day", cwd=tmp_path).stdout


def test_publish_again_by_its_id_is_well_and_without_is_not(held: Outcome, tmp_path: Path) -> None:
    for _ in range(2):
        assert dirops("publish", "t/day", "--snapshot", held.snapshot, cwd=tmp_path).returncode == 0
    done = dirops("publish", "t/day", "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"] == "not-held"


def test_reject_is_in_the_history(held: Outcome, tmp_path: Path) -> None:
    done = parsed("reject", "t/day", "--reason", "blurred", cwd=tmp_path)
    assert (done["snapshot"], done["reason"]) == (held.snapshot, "blurred")
    *_, last = parsed("log", "t/day", cwd=tmp_path)
    assert (last["snapshot"], last["current"], last["files"]) == (held.snapshot, False, None)
    assert last["made by"].endswith("blurred")
    assert values(tmp_path / "t/day") == {"a": "old"}


def test_reject_needs_a_reason(held: Outcome, tmp_path: Path) -> None:
    assert dirops("reject", "t/day", cwd=tmp_path).returncode == 2
    assert dirops("reject", "t/day", "--reason", " ", cwd=tmp_path).returncode == 2


def test_status_says_held(held: Outcome, tmp_path: Path) -> None:
    found = parsed("status", "t", cwd=tmp_path)
    assert found["counts"] == {"held": 1}
    (partition,) = found["stages"][0]["partitions"]
    assert partition["held"] == [held.snapshot]
    assert dirops("status", "t", cwd=tmp_path).returncode == 1
    assert "waits for somebody to publish or reject it" in dirops("status", "t", cwd=tmp_path).stdout


def test_clean_says_what_stays(held: Outcome, tmp_path: Path) -> None:
    (said,) = parsed("clean", "t/day", "--keep-hours", "0", cwd=tmp_path)["left"]
    assert f"{held.snapshot} is held until" in said


def test_what_was_never_committed_can_be_published(tmp_path: Path) -> None:
    write(tmp_path / "raw", a="first")
    run(tmp_path, publish="hold")
    shown = dirops("show", "t/day", cwd=tmp_path)
    assert "dirops publish" in shown.stderr
    assert dirops("publish", "t/day", cwd=tmp_path).returncode == 0
    assert read_manifest(tmp_path / "t/day").counts.entries == 1
