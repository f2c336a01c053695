"""A permission to replace what is not a stage's own: for one stage, for what is there, and used up by one commit."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from airflow_dirops.core import errors, read_manifest, upkeep
from tests.core.conftest import Run
from tests.core.directories import control_of, nothing_lost, retired_of, state_of, values_of, write_texts
from tests.text_files import read_text


def permission_at(target: Path) -> Path:
    return control_of(target) / "adoption.json"


@pytest.fixture
def foreign(target: Path) -> Path:
    return write_texts(target, precious="thesis")


def test_another_stages_target_is_replaced_once(run: Run, target: Path) -> None:
    run()
    upkeep.adopt(target, "other")
    run(stage="other", read=lambda path: read_text(path).upper())
    assert (read_manifest(target).stage, values_of(target)["a"]) == ("other", "ALPHA")
    assert not permission_at(target).exists()
    with nothing_lost(target), pytest.raises(errors.TargetRefused, match="belongs to stage 'other'"):
        run()


def test_a_directory_that_no_stage_wrote_is_moved_aside_once(run: Run, foreign: Path) -> None:
    upkeep.adopt(foreign)
    run()
    (kept,) = retired_of(foreign)
    assert (kept / "precious.txt").read_text() == "thesis"
    assert not permission_at(foreign).exists()


@pytest.mark.parametrize("changed", [300_000_000_000, 9_223_372_037, -9_223_372_037, -1, 0])
def test_a_directory_of_any_time_is_moved_aside_once_that_is_allowed(run: Run, foreign: Path, changed: int) -> None:
    """Times in nanoseconds fit into 64 bits from 1677 until 2262; many file systems keep later ones."""
    os.utime(foreign, (changed, changed))
    if foreign.stat().st_mtime != changed:
        pytest.skip("needs a file system that keeps such times")
    given = upkeep.adopt(foreign)
    assert upkeep.adoption_of(foreign) == given
    assert run(dry_run=True).outcome == "planned"
    assert run().outcome == "committed"
    assert (retired_of(foreign)[0] / "precious.txt").read_text() == "thesis"


@pytest.mark.parametrize("change", ["another directory", "a file more"])
def test_it_is_for_the_directory_as_it_was_until_the_commit(
    run: Run, foreign: Path, tmp_path: Path, change: str
) -> None:
    upkeep.adopt(foreign)

    def read(path: str) -> str:
        if change == "a file more":
            (foreign / f"{Path(path).stem}-more.txt").write_text("paper")
        elif not (tmp_path / "elsewhere").exists():
            foreign.rename(tmp_path / "elsewhere")
            write_texts(foreign, paper="another's")
        return read_text(path)

    with pytest.raises(errors.TargetConflict, match="appeared or changed"):
        run(read=read)
    assert foreign.is_dir()
    assert retired_of(foreign) == []


def test_where_there_is_nothing_to_adopt_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(errors.ArgumentRefused, match="nothing at"):
        upkeep.adopt(tmp_path / "a/b/target")
    assert list(tmp_path.iterdir()) == []


def test_it_is_for_one_stage(run: Run, target: Path, foreign: Path) -> None:
    upkeep.adopt(foreign, "other")
    with nothing_lost(target), pytest.raises(errors.TargetRefused):
        run()
    assert run(stage="other").outcome == "committed"


def test_it_is_for_the_snapshot_that_was_there(run: Run, target: Path) -> None:
    run()
    upkeep.adopt(target, "other")
    run(redo="all")
    with nothing_lost(target), pytest.raises(errors.TargetRefused):
        run(stage="other")
    run()
    assert not permission_at(target).exists()


def test_it_is_for_the_directory_as_it_was(run: Run, foreign: Path) -> None:
    upkeep.adopt(foreign)
    content = permission_at(foreign).read_bytes()
    write_texts(foreign, more="a chapter")
    assert upkeep.adoption_of(foreign) is None
    with nothing_lost(foreign), pytest.raises(errors.TargetRefused, match="it has changed since"):
        run()
    upkeep.adopt(foreign)
    run()
    # Years later somebody has put a directory there again, and the permission comes back from a backup.
    shutil.rmtree(foreign)
    write_texts(foreign, precious="thesis")
    permission_at(foreign).write_bytes(content)
    with nothing_lost(foreign), pytest.raises(errors.TargetRefused):
        run()


def test_a_run_that_fails_keeps_it(run: Run, foreign: Path) -> None:
    upkeep.adopt(foreign)
    with nothing_lost(foreign), pytest.raises(errors.RecordFailed):
        run(read=lambda path: 1 / 0)
    with nothing_lost(foreign.parent):
        assert run(dry_run=True).outcome == "planned"
    assert upkeep.adoption_of(foreign) is not None
    assert run().outcome == "committed"


def test_one_that_a_commit_has_outlived_lets_nothing_through(run: Run, foreign: Path) -> None:
    upkeep.adopt(foreign)
    content = permission_at(foreign).read_bytes()
    run()
    permission_at(foreign).write_bytes(content)  # as after a kill right after the swap
    assert upkeep.adoption_of(foreign) is None
    run()
    assert not permission_at(foreign).exists()


def test_it_cannot_be_for_what_nobody_may_move(
    run: Run, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = write_texts(tmp_path / "home", profile="mine")
    dags = write_texts(tmp_path / "airflow" / "dags", dag="mine")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.delenv("AIRFLOW__CORE__DAGS_FOLDER", raising=False)
    run(target=tmp_path / "around/deep/inner")
    for precious in (home, dags, tmp_path / "airflow", tmp_path / "around", Path("/"), Path("/proc")):
        with pytest.raises(errors.TargetRefused):
            upkeep.adopt(precious)
        with pytest.raises(errors.TargetRefused):
            run(target=precious, may_replace={"unmanaged"})
    assert not list(tmp_path.rglob("adoption.json"))


def test_nothing_to_permit(run: Run, target: Path) -> None:
    with pytest.raises(errors.ArgumentRefused, match="there is nothing at"):
        upkeep.adopt(target)
    run()
    with pytest.raises(errors.ArgumentRefused, match="own already"):
        upkeep.adopt(target, "copy")
    for stage in ("", "a\ud800", "x" * 5000):
        with pytest.raises(errors.ArgumentRefused, match="names no stage"):
            upkeep.adopt(target, stage)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"stage": 7}',
        b'{"snapshot": "../../etc"}',
        b'{"snapshot": ""}',
        b"\xff",
        b"[" * 100_000,
        b"{}",
        b'{"changed_ns": "1"}',
    ],
)
def test_one_that_cannot_be_read_lets_nothing_through(run: Run, foreign: Path, content: bytes) -> None:
    upkeep.adopt(foreign)
    permission_at(foreign).write_bytes(content)
    with nothing_lost(foreign), pytest.raises(errors.TargetRefused):
        run()
    upkeep.adopt(foreign)
    assert run().outcome == "committed"


@pytest.mark.parametrize("kind", ["link", "directory", "fifo"])
def test_something_else_of_its_name_lets_nothing_through(run: Run, foreign: Path, tmp_path: Path, kind: str) -> None:
    upkeep.adopt(foreign)
    permission = permission_at(foreign)
    elsewhere = tmp_path / "elsewhere.json"
    permission.rename(elsewhere)
    {
        "link": lambda: permission.symlink_to(elsewhere),
        "directory": permission.mkdir,
        "fifo": lambda: os.mkfifo(permission),
    }[kind]()
    with nothing_lost(foreign), pytest.raises(errors.TargetRefused):
        run()
    assert json.loads(elsewhere.read_text()).keys() == {"changed_ns"}


@pytest.mark.parametrize("wrong", ["unmanaged", ["everything"], 7, {"unmanaged", "x"}])
def test_a_call_names_what_it_may_replace(run: Run, foreign: Path, wrong: object) -> None:
    before = state_of(foreign)
    with pytest.raises(
        errors.ArgumentRefused, match=r"may_replace=.* is no set of some of 'unmanaged' and 'other_stage'"
    ):
        run(may_replace=wrong)
    assert state_of(foreign) == before
