"""What is cleaned up, how much of it at once, and what is never touched."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, upkeep
from airflow_dirops.core.disk.removal import concerns, remove_tree
from airflow_dirops.core.format.runs import new_id
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.stage.retention import Retention
from tests.core.conftest import Run
from tests.core.descriptors import left_open, limit_that_leaves, open_descriptors
from tests.core.directories import assert_whole, control_of, orphans_of, retired_of, values_of, write_texts

MANY = 150
FEW_DESCRIPTORS = 80
NOTHING_KEPT = Retention(0, 0)


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """As under ``ulimit -n``; none may be left open either."""
    before, (soft, hard) = open_descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit_that_leaves(FEW_DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert left_open(before) == []


def fail(run: Run, **changes: Any) -> None:
    """Leave a dead attempt that has finished two of three inputs."""

    def read(path: str) -> str:
        if path.endswith("c.txt"):
            raise ValueError(path)
        return Path(path).read_text()

    with pytest.raises(errors.RecordFailed):
        run(**{"read": read, "version": "1", "durability": "process", **changes})


def multiply(directory: Path, times: int) -> None:
    """As if the same had happened again and again."""
    for _ in range(times):
        copy = directory.with_name(new_id())
        shutil.copytree(directory, copy, copy_function=os.link, ignore=shutil.ignore_patterns("alive"))
        (copy / "alive").touch()


def nest(directory: Path, depth: int) -> None:
    """Directories in directories, deeper than a path may be long."""
    here = os.open(directory, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


class TestManyDeadAttempts:
    @pytest.fixture
    def many(self, run: Run, target: Path, texts: Path) -> None:
        run(version="1")
        write_texts(texts, a="changed", b="changed")
        run(version="1")
        write_texts(texts, a="again", b="again", c="again")
        fail(run)
        (attempt,) = (control_of(target) / "attempts").iterdir()
        multiply(attempt, MANY)

    @pytest.mark.usefixtures("many", "few_descriptors")
    def test_do_not_block_a_run(self, run: Run, target: Path) -> None:
        outcome = run(version="1")
        assert outcome.counts["reused"] == 2
        assert_whole(target)
        assert orphans_of(target) == []
        assert os.listdir(control_of(target) / "removing") == []

    @pytest.mark.usefixtures("many", "few_descriptors")
    def test_are_not_hoarded_by_runs_that_fail(self, run: Run, target: Path) -> None:
        fail(run)
        assert len(orphans_of(target)) <= 6
        assert os.listdir(control_of(target) / "removing") == []

    @pytest.mark.usefixtures("many", "few_descriptors")
    def test_nor_do_they_block_a_clean_up(self, target: Path) -> None:
        assert len(upkeep.clean(target).orphans) == MANY + 1
        assert orphans_of(target) == []

    @pytest.mark.usefixtures("many", "few_descriptors")
    @pytest.mark.parametrize("act", [upkeep.rollback, upkeep.repair])
    def test_nor_a_person_and_are_left_to_the_next_run(
        self, act: Callable[[Path], object], run: Run, target: Path
    ) -> None:
        (target / "a.txt").unlink()
        act(target)
        assert run(version="1").counts["reused"] == 2

    def test_of_other_code_or_with_nothing_finished_are_removed_at_the_claim(self, run: Run, target: Path) -> None:
        for version in ("1", "2", "1", "2", "1", "2"):
            fail(run, version=version)
            assert len(orphans_of(target)) <= 3  # this one, the one before, and one of the same code

    def test_those_that_finished_the_most_are_kept(self, run: Run, target: Path, texts: Path) -> None:
        fail(run)
        kept = set(orphans_of(target))
        (attempt,) = (control_of(target) / "attempts" / name for name in kept)
        for _ in range(10):
            multiply(attempt, 1)
            poor = max(attempt.parent.iterdir())
            lines = (attempt / "journal.jsonl").read_bytes().splitlines(keepends=True)
            (poor / "journal.jsonl").unlink()
            (poor / "journal.jsonl").write_bytes(lines[0])
        fail(run)
        assert kept < set(orphans_of(target))
        write_texts(texts, c="mended")
        assert run(version="1").counts["reused"] == 2


class TestManySnapshots:
    @pytest.fixture
    def many(self, run: Run, target: Path) -> None:
        run()
        run(redo="all")
        (first,) = retired_of(target)
        header = (first / "_dirops/manifest.json").read_text()
        for _ in range(MANY):
            copy = first.with_name(new_id())
            shutil.copytree(first, copy, copy_function=os.link)
            (copy / "_dirops/manifest.json").unlink()
            (copy / "_dirops/manifest.json").write_text(header.replace(first.name, copy.name))

    @pytest.mark.usefixtures("many", "few_descriptors")
    def test_expire_one_after_the_other(self, target: Path) -> None:
        assert len(upkeep.clean(target, Retention(1, 0)).snapshots) == MANY
        assert len(retired_of(target)) == 1

    @pytest.mark.usefixtures("many", "few_descriptors")
    def test_expire_after_a_run_too(self, run: Run, target: Path, caplog: pytest.LogCaptureFixture) -> None:
        run(redo="all", retention=NOTHING_KEPT)
        assert retired_of(target) == []
        assert caplog.text.count("WARNING") == 0


class TestDepth:
    @pytest.fixture(autouse=True)
    def removed_by_what_can(self, tmp_path: Path) -> Iterator[None]:
        """Pytest's own clean-up recurses."""
        yield
        subprocess.run(["rm", "-rf", tmp_path], check=True)

    @pytest.mark.parametrize("depth", [1200, sys.getrecursionlimit() * 3])
    def test_is_no_obstacle_to_a_removal(self, tmp_path: Path, depth: int) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        nest(tree, depth)
        outside = write_texts(tmp_path / "outside", precious="mine")
        (tree / "link").symlink_to(outside)
        with concerns(logger("test")) as found:
            remove_tree(tree, found)
        assert not tree.exists()
        assert (outside / "precious.txt").read_text() == "mine"

    def test_in_a_staging_area_or_a_retired_snapshot_stops_no_run(self, run: Run, target: Path) -> None:
        run(version="1")
        fail(run, redo="all")
        nest(control_of(target) / "attempts" / orphans_of(target)[0] / "tree", 1200)
        nest(target, 1200)
        run(version="1", redo="all", retention=NOTHING_KEPT)
        assert orphans_of(target) == []
        assert retired_of(target) == []
        assert os.listdir(control_of(target) / "removing") == []


@pytest.fixture(params=["attempts", "retired", "removing"])
def foreign(request: pytest.FixtureRequest, run: Run, target: Path) -> dict[str, Path]:
    """What people and their desktops leave in the control directory's folders."""
    run()
    run(redo="all")
    folder = control_of(target) / request.param
    put = {
        "a file": folder / ".DS_Store",
        "a file named as an attempt": folder / new_id(),
        "a directory": folder / "my-backup",
        "a directory named as an attempt": folder / new_id(),
        "a dangling link": folder / "gone",
        "a link named as an attempt": folder / new_id(),
        "a snapshot": folder / "keep-before-migration",
    }
    for name in ("a file", "a file named as an attempt"):
        put[name].write_text("mine")
    for name in ("a directory", "a directory named as an attempt"):
        write_texts(put[name], precious="mine")
    put["a dangling link"].symlink_to(folder / "nowhere")
    put["a link named as an attempt"].symlink_to(write_texts(target.parent.parent / "elsewhere", precious="mine"))
    shutil.copytree(target, put["a snapshot"])
    return put


class TestForeign:
    """I7: nothing that no stage wrote is deleted, and none of it is in anybody's way."""

    def test_things_stay(self, foreign: dict[str, Path], run: Run, texts: Path, target: Path) -> None:
        write_texts(texts, d="delta")
        fail(run, redo="all")
        run(retention=NOTHING_KEPT)
        cleaned = upkeep.clean(target, NOTHING_KEPT)
        upkeep.repair(target)
        folder = foreign["a file"].parent.name
        assert cleaned.foreign == sorted(f"{folder}/{path.name}" for path in foreign.values())
        assert foreign["a file"].read_text() == foreign["a file named as an attempt"].read_text() == "mine"
        for name in ("a directory", "a directory named as an attempt", "a link named as an attempt"):
            assert (foreign[name] / "precious.txt").read_text() == "mine"
        assert foreign["a dangling link"].is_symlink()
        assert_whole(foreign["a snapshot"])

    def test_things_hide_no_snapshot(self, foreign: dict[str, Path], target: Path) -> None:
        del foreign
        assert len(upkeep.list_snapshots(target)) == 2
        current, retired = upkeep.list_snapshots(target)
        assert upkeep.rollback(target).restored == retired.manifest.snapshot
        assert upkeep.rollback(target, current.manifest.snapshot).restored == current.manifest.snapshot


def test_what_is_said_to_be_gone_and_is_not_is_removed_by_the_next_run(
    run: Run, texts: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose it is stays known for as long as any of it does."""
    run()
    fail(run, redo="all")
    nest(control_of(target) / "attempts" / orphans_of(target)[0] / "tree", 4)
    with monkeypatch.context() as patch:
        rename = os.rename

        def lie(*paths: Any, **options: Any) -> None:
            if options:
                raise FileNotFoundError(2, "No such file or directory")
            rename(*paths)

        patch.setattr(os, "rename", lie)
        upkeep.clean(target)
    assert os.listdir(control_of(target) / "removing")
    upkeep.clean(target)
    assert os.listdir(control_of(target) / "removing") == []


def test_an_unreadable_manifest_in_a_retired_snapshot_keeps_it(run: Run, target: Path) -> None:
    run()
    run(redo="all")
    (retired,) = retired_of(target)
    (retired / "_dirops/manifest.json").write_bytes(b"{")
    assert upkeep.clean(target, NOTHING_KEPT).snapshots == []
    assert retired.exists()


def test_clean_up_never_stops_a_run_and_warns_of_a_few(
    public: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """What another user's directories hold cannot be deleted."""
    if os.geteuid() != 0:
        pytest.skip("only root may become somebody else")
    target = public / "out" / "target"
    run(target=target)
    folder = control_of(target) / "removing"
    for _ in range(20):
        write_texts(folder / new_id() / "_dirops", stuck="mine")
    run(target=target, redo="all")
    for path in [*target.parent.parent.rglob("*")]:
        if not path.is_relative_to(folder):
            with suppress(FileNotFoundError):
                os.chown(path, 65534, 65534)
    os.chown(folder, 65534, 65534)
    for _ in range(20):
        write_texts(folder / new_id() / "_dirops", stuck="mine")
    os.setegid(65534)
    os.seteuid(65534)
    try:
        upkeep.clean(target, NOTHING_KEPT)
    finally:
        os.seteuid(0)
        os.setegid(0)
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert 0 < len(warnings) <= 4
    assert "and 17 more" in caplog.text
    assert values_of(target)["a"] == "alpha"


@pytest.mark.parametrize("touched", [None, 300_000_000_000])
def test_an_attempt_whose_times_no_calendar_has_is_left_alone_and_told(
    run: Run, target: Path, touched: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    run()
    attempt = control_of(target) / "attempts" / "f47ac10b-58cc-4372-a567-0e02b2c3d479"
    attempt.mkdir()
    (attempt / "owner.json").write_text(json.dumps({"host": "elsewhere", "boot": "b", "process": 1, "fingerprint": ""}))
    (attempt / "alive").touch()
    if touched:
        os.utime(attempt / "alive", (touched, touched))
        if os.stat(attempt / "alive").st_mtime < touched:
            pytest.skip("needs a file system that keeps such times")
    (told,) = upkeep.clean(target).left
    assert "begun a time that cannot be told" in told
    assert run(redo="all").outcome == "committed"
    assert "begun a time that cannot be told" in caplog.text
    assert attempt.exists()
