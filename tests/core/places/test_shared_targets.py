"""Two users of one group work on one target, each with a umask that says that nobody else may write."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Outcome, read_directory, upkeep
from airflow_dirops.core.stage.retention import Retention
from tests import needs
from tests.core.children import as_user
from tests.core.directories import assert_whole, control_of, header_of, orphans_of, retired_of, values_of, write_texts
from tests.core.seed import read_text

ALICE, BOB, GROUP, OTHER = 61_001, 61_002, 61_000, 61_003


def read_until_c(path: str) -> str:
    if path.endswith("c.txt"):
        raise ValueError(path)
    return Path(path).read_text()


class Shared:
    """A folder of a group, with texts to read and a target."""

    def __init__(self, here: Path) -> None:
        self.here = here
        self.texts = write_texts(here / "texts" / "deep", a="alpha", b="beta", c="gamma").parent
        (here / "out").mkdir()
        os.chown(here / "out", -1, GROUP)
        (here / "out").chmod(0o2775)
        self.target = here / "out" / "target"

    def run(self, user: int, **changes: Any) -> str:
        options: dict[str, Any] = {"read": read_text, "codec": "text", "stage": "copy", "version": "1", **changes}

        def stage() -> str:
            outcome: Outcome = read_directory(source=self.texts, target=self.target, **options)
            return f"{outcome.outcome}, {outcome.counts['computed']} computed, {outcome.counts['reused']} reused"

        return as_user(user, GROUP, stage)

    def upkeep(self, user: int, act: Callable[..., Any], *arguments: Any) -> str:
        return as_user(user, GROUP, lambda: bool(act(self.target, *arguments)))


@pytest.fixture
def shared(public: Path) -> Shared:
    needs.root("to become two other users")
    return Shared(public)


@pytest.mark.parametrize(("first", "second"), [(ALICE, BOB), (BOB, ALICE)])
class TestOneAfterTheOther:
    def test_commits_over_the_other_s_target(self, shared: Shared, first: int, second: int) -> None:
        assert shared.run(first) == "'committed, 3 computed, 0 reused'"
        write_texts(shared.texts / "deep", a="changed")
        assert shared.run(second) == "'committed, 1 computed, 0 reused'"
        assert shared.run(first, redo="all") == "'committed, 3 computed, 0 reused'"
        assert_whole(shared.target)
        assert len(retired_of(shared.target)) == 2

    def test_continues_what_the_other_s_dead_attempt_finished(self, shared: Shared, first: int, second: int) -> None:
        assert "RecordFailed" in shared.run(first, read=read_until_c)
        assert "RecordFailed" in shared.run(second, read=read_until_c)
        assert shared.run(first) == "'committed, 1 computed, 2 reused'"
        assert_whole(shared.target)
        assert orphans_of(shared.target) == []
        assert os.listdir(control_of(shared.target) / "removing") == []

    def test_removes_what_the_other_left(self, shared: Shared, first: int, second: int) -> None:
        shared.run(first)
        shared.run(first, redo="all")
        assert "RecordFailed" in shared.run(first, read=read_until_c, redo="all")
        assert shared.upkeep(second, upkeep.clean, Retention(0, 0)) == "True"
        assert orphans_of(shared.target) == []
        assert retired_of(shared.target) == []
        assert os.listdir(control_of(shared.target) / "removing") == []

    def test_rolls_back_and_repairs_what_the_other_made(self, shared: Shared, first: int, second: int) -> None:
        shared.run(first)
        before = header_of(shared.target)["snapshot"]
        write_texts(shared.texts / "deep", a="changed")
        shared.run(first)
        assert shared.upkeep(second, upkeep.rollback) == "True"
        assert header_of(shared.target)["restored"] == before
        (shared.target / "deep/b.txt").unlink()
        assert shared.upkeep(second, upkeep.repair) == "True"
        assert values_of(shared.target)["deep/b"] == "beta"
        assert shared.run(first, redo="all") == "'committed, 3 computed, 0 reused'"


def test_all_is_open_to_the_group_and_to_nobody_else(shared: Shared) -> None:
    shared.run(ALICE)
    assert "RecordFailed" in shared.run(ALICE, read=read_until_c, redo="all")
    for top in (shared.target, shared.target.parent / ".dirops"):
        for path in [top, *top.rglob("*")]:
            status = path.lstat()
            assert status.st_gid == GROUP, path
            if path.is_dir():
                assert stat.S_IMODE(status.st_mode) == 0o2775, path
            elif path.name in ("lock", "alive", "fence.json", "owner.json", "expected.json", "journal.jsonl"):
                assert stat.S_IMODE(status.st_mode) == 0o664, path
            else:
                assert stat.S_IMODE(status.st_mode) == 0o444, path


@pytest.mark.parametrize("mode", [0o755, 0o2755, 0o700, 0o775])
def test_no_more_than_the_target_s_parent_is(public: Path, mode: int) -> None:
    needs.root("to become two other users")
    shared = Shared(public)
    os.chown(shared.target.parent, ALICE, GROUP)
    shared.target.parent.chmod(mode)
    shared.run(ALICE)
    control = control_of(shared.target)
    for path in (control, control / "attempts", control / "retired", control / "removing"):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    for name in ("lock", "fence.json"):
        assert stat.S_IMODE((control / name).stat().st_mode) == mode & 0o666
    assert stat.S_IMODE(shared.target.stat().st_mode) == 0o755 | mode & stat.S_ISGID


def test_a_directory_that_becomes_the_group_s_later(shared: Shared) -> None:
    shared.target.parent.chmod(0o2755)
    os.chown(shared.target.parent, ALICE, GROUP)
    shared.run(ALICE)
    shared.target.parent.chmod(0o2775)
    refusal = shared.run(BOB)
    assert "TargetRefused" in refusal
    advised = refusal.split("write it: ")[1]
    assert as_user(ALICE, GROUP, lambda: subprocess.run(advised, shell=True, check=True).returncode) == "0"
    shared.run(ALICE)  # opens what is beside it
    assert shared.run(BOB, redo="all") == "'committed, 3 computed, 0 reused'"


def test_who_is_not_of_the_group_is_told(shared: Shared) -> None:
    shared.run(ALICE)
    said = as_user(OTHER, OTHER, lambda: upkeep.rollback(shared.target))
    assert f"give user {OTHER} permission" in said or "SnapshotExpired" in said
    refused = as_user(
        OTHER, OTHER, lambda: read_directory(source=shared.texts, target=shared.target, read=read_text, stage="copy")
    )
    assert refused.startswith("TargetRefused")
    assert "give that user permission to write there" in refused


# acl(5) as the kernel stores it; what is made below gets it too: both may write.
DEFAULT_LIST = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, who)
    for tag, permissions, who in [
        (0x01, 7, 0xFFFFFFFF),
        (0x02, 7, ALICE),
        (0x02, 7, BOB),
        (0x04, 5, 0xFFFFFFFF),
        (0x10, 7, 0xFFFFFFFF),
        (0x20, 5, 0xFFFFFFFF),
    ]
)


def test_an_access_list_that_the_folder_hands_on(shared: Shared) -> None:
    folder = shared.target.parent
    os.chown(folder, ALICE, ALICE)
    folder.chmod(0o755)
    try:
        for name in ("system.posix_acl_access", "system.posix_acl_default"):
            os.setxattr(folder, name, DEFAULT_LIST)
    except OSError:
        pytest.skip("this file system has no access lists")
    shared.run(ALICE)
    for path in (shared.target, shared.target / "deep", control_of(shared.target)):
        assert os.getxattr(path, "system.posix_acl_default") == DEFAULT_LIST
    assert shared.run(BOB, redo="all") == "'committed, 3 computed, 0 reused'"
    assert shared.run(ALICE, redo="all") == "'committed, 3 computed, 0 reused'"
