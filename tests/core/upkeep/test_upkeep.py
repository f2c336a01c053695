"""What a person does to a target between runs: look, verify, repair, roll back, clean."""

from __future__ import annotations

import errno
import getpass
import os
import shutil
import socket
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from airflow_dirops.core import Attempt, LogicalRun, open_snapshot, read_directory, read_manifest, upkeep
from airflow_dirops.core.errors import (
    ManifestMissing,
    RecordFailed,
    SnapshotDamaged,
    SnapshotExpired,
    TargetConflict,
    TargetRefused,
)
from airflow_dirops.core.stage.retention import Retention

DAY = 24 * 3600


@pytest.fixture
def source(tmp_path):
    directory = tmp_path / "raw"
    (directory / "deep").mkdir(parents=True)
    for number in range(4):
        (directory / f"a{number}.txt").write_text(str(number))
    (directory / "deep" / "b.txt").write_text("9")
    return directory


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out" / "numbers"


def read_number(path):
    with open(path) as file:
        return np.array(int(file.read()))


def run(source, target, **options):
    return read_directory(source=source, target=target, read=read_number, **options)


def change(source, name, number):
    (source / name).write_text(str(number))
    os.utime(source / name, ns=(number, number))


def values(target):
    with open_snapshot(target, verify=True) as snapshot:
        return {record.key: int(record.value) for record in snapshot}


def retired(target):
    return target.parent / ".dirops" / target.name / "retired"


def damage(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    shutil.copyfile(path, path.with_suffix(".copy"))  # a new inode: the retired one stays as it was
    path.unlink()
    path.with_suffix(".copy").rename(path)
    path.write_bytes(content)


class TestVerify:
    def test_a_fresh_target_is_good(self, source, target):
        run(source, target)
        result = upkeep.verify(target, deep=True)
        assert result.is_good
        assert result.entries == 5

    def test_every_kind_of_damage_is_found_and_named(self, source, target):
        run(source, target)
        (target / "a0.npy").unlink()
        damage(target / "a1.npy")
        (target / "deep" / ".stray").write_text("x")
        by_size = {f.path: f.problem for f in upkeep.verify(target).findings}
        by_digest = {f.path: f.problem for f in upkeep.verify(target, deep=True).findings}
        assert by_size == {"a0.npy": "missing", "deep/.stray": "extra"}
        assert by_digest == by_size | {"a1.npy": "changed"}

    def test_a_cut_file_is_changed_by_size(self, source, target):
        run(source, target)
        (target / "a2.npy").chmod(0o644)
        os.truncate(target / "a2.npy", 10)
        assert [(f.path, f.problem) for f in upkeep.verify(target).findings] == [("a2.npy", "changed")]

    def test_a_damaged_list_is_a_finding_and_not_a_crash(self, source, target):
        run(source, target)
        listing = target / "_dirops" / "files.jsonl"
        listing.chmod(0o644)
        listing.write_bytes(listing.read_bytes()[:-20])
        assert [f.problem for f in upkeep.verify(target).findings][-1] == "list"


class TestRollback:
    def test_makes_the_replaced_snapshot_current_and_keeps_the_other(self, source, target):
        first = run(source, target)
        change(source, "a0.txt", 100)
        second = run(source, target)
        rolled_back = upkeep.rollback(target)
        assert values(target)["a0"] == 0
        kept = [(kept.manifest.snapshot, kept.is_current) for kept in upkeep.list_snapshots(target)]
        assert kept == [(rolled_back.snapshot, True), (second.snapshot, False), (first.snapshot, False)]
        upkeep.rollback(target, second.snapshot)
        assert values(target)["a0"] == 100

    def test_leaves_a_trace_of_who_when_and_what(self, source, target):
        first = run(source, target)
        change(source, "a0.txt", 100)
        second = run(source, target)
        before = datetime.now(UTC)
        rolled_back = upkeep.rollback(target)
        assert read_manifest(target) == rolled_back
        assert (rolled_back.restored, rolled_back.base) == (first.snapshot, second.snapshot)
        assert rolled_back.lists == read_manifest(retired(target) / first.snapshot).lists
        assert (rolled_back.upkeep.action, rolled_back.upkeep.user) == ("rollback", getpass.getuser())
        assert rolled_back.upkeep.host == socket.gethostname()
        assert before - timedelta(seconds=1) < datetime.fromisoformat(rolled_back.created)
        assert upkeep.verify(target, deep=True).is_good

    def test_what_was_pinned_stays_readable(self, source, target):
        first = run(source, target)
        change(source, "a0.txt", 100)
        run(source, target)
        upkeep.rollback(target)
        with open_snapshot(first.to_dict()) as pinned:
            assert pinned.manifest.snapshot == first.snapshot
            assert [int(record.value) for record in pinned] == [0, 1, 2, 3, 9]

    def test_does_nothing_where_it_is_done_already(self, source, target, caplog):
        first = run(source, target)
        change(source, "a0.txt", 100)
        second = run(source, target)
        with caplog.at_level("INFO", logger="airflow_dirops"):
            assert upkeep.rollback(target, second.snapshot).snapshot == second.snapshot
            assert "already" in caplog.text
            rolled_back = upkeep.rollback(target, first.snapshot)
            assert upkeep.rollback(target, first.snapshot) == rolled_back
            assert upkeep.rollback(target, rolled_back.snapshot) == rolled_back

    def test_goes_by_what_replaced_what_and_not_by_the_clock(self, source, target):
        run(source, target)
        for number in (100, 101):
            change(source, "a0.txt", number)
            run(source, target)
        for number, place in enumerate(sorted(retired(target).iterdir())):
            os.utime(place, (DAY * (9 - number), DAY * (9 - number)))  # the clock went backwards
        upkeep.rollback(target)
        assert values(target)["a0"] == 100

    def test_passes_over_a_damaged_snapshot_and_a_trial(self, source, target):
        first = run(source, target)
        change(source, "a0.txt", 100)
        second = run(source, target)
        change(source, "a0.txt", 101)
        run(source, target)
        damage(retired(target) / second.snapshot / "a0.npy")
        assert upkeep.rollback(target).restored == first.snapshot

    def test_a_rerun_decides_as_before(self, source, target):
        mine = LogicalRun("d", "r", "t")
        run(source, target, stage="s", attempt=Attempt(run=mine))
        change(source, "a0.txt", 100)
        run(source, target, stage="s")
        upkeep.rollback(target)
        change(source, "a0.txt", 0)
        os.utime(source / "a0.txt", (1, 1))
        again = run(source, target, stage="s", attempt=Attempt(run=mine, try_number=2))
        assert (again.counts["computed"], again.counts["carried"]) == (1, 4)
        upkeep.rollback(target)
        cleared = run(source, target, stage="s", attempt=Attempt(run=mine, try_number=3, first_try_number=3))
        assert cleared.counts["computed"] == 5

    def test_a_try_that_committed_is_taken_over_after_it_too(self, source, target):
        mine = LogicalRun("d", "r", "t")
        run(source, target, stage="s", attempt=Attempt(run=mine))
        run(source, target, stage="s", redo="all")
        upkeep.rollback(target)
        assert run(source, target, stage="s", attempt=Attempt(run=mine, try_number=2)).outcome == "committed"

    def test_brings_back_a_target_whose_header_is_damaged_and_keeps_the_damaged_one(self, source, target):
        first = run(source, target)
        change(source, "a0.txt", 100)
        run(source, target)
        (target / "_dirops" / "manifest.json").write_bytes(b"{")
        with pytest.raises(TargetRefused, match="dirops rollback"):
            run(source, target)
        assert upkeep.rollback(target).restored == first.snapshot
        assert values(target)["a0"] == 0
        (unmanaged,) = retired(target).glob("unmanaged-*")
        assert (unmanaged / "_dirops" / "manifest.json").read_bytes() == b"{"

    def test_a_run_that_began_before_it_is_in_conflict(self, source, target):
        run(source, target)
        change(source, "a0.txt", 100)
        run(source, target)

        def read_late(path):
            if path.endswith("a1.txt"):
                upkeep.rollback(target)
            return read_number(path)

        with pytest.raises(TargetConflict, match="committed after this attempt began"):
            read_directory(source=source, target=target, read=read_late, stage="read_number", redo="all")
        assert values(target)["a0"] == 0

    def test_without_an_earlier_snapshot_is_an_error_that_lists_what_is_kept(self, source, target):
        only = run(source, target)
        with pytest.raises(SnapshotExpired, match="kept are: none"):
            upkeep.rollback(target)
        with pytest.raises(SnapshotExpired, match="is not kept"):
            upkeep.rollback(target, "01a20bd6-0000-7000-8000-000000000000")
        assert values(target)["a0"] == 0
        assert upkeep.list_snapshots(target)[0].manifest.snapshot == only.snapshot

    def test_refuses_a_damaged_snapshot_and_leaves_it_where_it_is(self, source, target):
        first = run(source, target)
        change(source, "a0.txt", 100)
        second = run(source, target)
        damage(retired(target) / first.snapshot / "a0.npy")
        with pytest.raises(SnapshotDamaged, match=r"a0\.npy"):
            upkeep.rollback(target)
        assert os.listdir(retired(target)) == [first.snapshot]
        assert upkeep.list_snapshots(target)[0].manifest.snapshot == second.snapshot


class TestRepair:
    def test_restores_from_a_retired_snapshot(self, source, target):
        run(source, target)
        change(source, "a0.txt", 100)
        before = run(source, target)
        damage(target / "a1.npy")
        (target / "deep" / "b.npy").unlink()
        result = upkeep.repair(target)
        assert result.restored == ["a1.npy", "deep/b.npy"]
        assert result.remaining == []
        assert result.snapshot != before.snapshot
        assert upkeep.verify(target, deep=True).is_good
        assert values(target) == {"a0": 100, "a1": 1, "a2": 2, "a3": 3, "deep/b": 9}

    def test_what_nothing_can_restore_is_reported_and_the_target_left_alone(self, source, target):
        before = run(source, target)
        damage(target / "a1.npy")
        result = upkeep.repair(target)
        assert [(f.path, f.problem) for f in result.remaining] == [("a1.npy", "changed")]
        assert result.snapshot == before.snapshot

    def test_the_stage_with_verify_makes_again_what_is_damaged_and_nothing_else(self, source, target):
        run(source, target)
        damage(target / "a1.npy")
        os.utime(target / "a1.npy", ns=(0, 0))  # nothing but the digest tells
        assert run(source, target).outcome == "unchanged"
        outcome = run(source, target, redo="damaged")
        assert (outcome.counts["computed"], outcome.counts["carried"]) == (1, 4)
        assert upkeep.verify(target, deep=True).is_good

    def test_a_good_target_is_left_alone(self, source, target):
        before = run(source, target)
        assert upkeep.repair(target) == upkeep.Repaired(before.snapshot, [], [])


class TestAsARunWouldDoIt:
    """Upkeep makes its tree as a stage makes one."""

    @pytest.fixture(params=["repair", "rollback"])
    def act(self, request, source, target):
        run(source, target)
        change(source, "a0.txt", 100)
        run(source, target)
        damage(target / "a1.npy")
        return getattr(upkeep, request.param)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory to another group")
    def test_mode_and_group_are_those_of_what_is_replaced(self, act, target):
        os.chown(target, -1, 12345)
        target.chmod(0o2775)
        act(target)
        assert upkeep.verify(target, deep=True).is_good
        status = target.stat()
        assert (status.st_mode & 0o7777, status.st_gid) == (0o2775, 12345)

    def test_where_links_are_refused_files_are_copied(self, act, target, monkeypatch):
        def refuse(*_, **__):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)
        act(target)
        assert upkeep.verify(target, deep=True).is_good
        assert (target / "a2.npy").stat().st_nlink == 1

    def test_what_is_not_known_to_be_durable_is_synced(self, source, target, monkeypatch):
        run(source, target, durability="process")
        run(source, target, durability="process", redo="all")
        synced, sync = set(), os.fsync
        monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.add(os.fstat(descriptor).st_ino), sync(descriptor)))
        upkeep.rollback(target)
        assert read_manifest(target).durability == "full"
        assert {path.stat().st_ino for path in target.rglob("*.npy")} <= synced

    def test_a_rollback_after_a_repair_passes_over_what_was_mended(self, source, target):
        first = run(source, target)
        change(source, "a0.txt", 100)
        run(source, target)
        damage(target / "a1.npy")
        mended = upkeep.repair(target)
        assert upkeep.rollback(target).restored == first.snapshot
        assert mended.snapshot in {kept.manifest.snapshot for kept in upkeep.list_snapshots(target)}

    def test_it_says_who_did_it(self, act, target):
        act(target)
        done = read_manifest(target).upkeep
        assert (done.action, done.user) == (act.__name__, getpass.getuser())

    @pytest.mark.parametrize("act", [upkeep.repair, upkeep.rollback])
    def test_it_stays_the_target_of_its_site(self, act, source, target):
        for number in (1, 100):
            change(source, "a0.txt", number)
            run(source, target, dimensions={"site": "berlin"})
        damage(target / "a1.npy")
        act(target)
        assert upkeep.verify(target, deep=True).is_good
        assert read_manifest(target).upkeep.action == act.__name__
        assert read_manifest(target).dimensions == {"site": "berlin"}
        with pytest.raises(TargetRefused, match=r"'berlin'.*'hamburg'"):
            run(source, target, dimensions={"site": "hamburg"})
        change(source, "a0.txt", 7)
        assert run(source, target, dimensions={"site": "berlin"}).outcome == "committed"

    def test_what_failed_attempts_finished_is_left_to_the_next_run(self, act, source, target):
        (source / "z.txt").write_text("no number")
        change(source, "a3.txt", 103)
        with pytest.raises(RecordFailed):
            run(source, target)
        act(target)
        (source / "z.txt").unlink()
        assert run(source, target).counts["reused"] >= 1


class TestClean:
    def test_keeps_by_count_and_by_age(self, source, target):
        snapshots = [run(source, target).snapshot]
        for number in range(3):
            change(source, "a0.txt", 100 + number)
            snapshots.append(run(source, target).snapshot)
        for age, snapshot in enumerate(reversed(snapshots[:-1])):
            when = os.stat(retired(target)).st_mtime - age * DAY * 2 - 1
            os.utime(retired(target) / snapshot, (when, when))
        assert upkeep.clean(target, Retention(keep_snapshots=1, keep_hours=72)).snapshots == [snapshots[0]]
        assert upkeep.clean(target, Retention(keep_snapshots=5, keep_hours=0)).snapshots == []
        assert upkeep.clean(target, Retention(keep_snapshots=1, keep_hours=0)).snapshots == [snapshots[1]]
        assert os.listdir(retired(target)) == [snapshots[2]]

    def test_leaves_what_a_reader_holds(self, source, target):
        first = run(source, target)
        reader = open_snapshot(target)
        change(source, "a0.txt", 100)
        run(source, target)
        assert upkeep.clean(target, Retention(0, 0)).snapshots == []
        assert [int(record.value) for record in reader] == [0, 1, 2, 3, 9]
        reader.close()
        assert upkeep.clean(target, Retention(0, 0)).snapshots == [first.snapshot]

    def test_never_removes_what_was_not_ours(self, source, target):
        target.mkdir(parents=True)
        (target / "precious.txt").write_text("theirs")
        run(source, target, may_replace={"unmanaged"})
        cleaned = upkeep.clean(target, Retention(0, 0))
        assert cleaned.snapshots == []
        (name,) = cleaned.unmanaged
        assert (retired(target) / name / "precious.txt").read_text() == "theirs"

    def test_a_target_that_never_was_is_clean(self, tmp_path):
        assert upkeep.clean(tmp_path / "nothing") == upkeep.Cleaned([], [], [])


def test_the_history_of_nothing_is_an_error(tmp_path):
    with pytest.raises(ManifestMissing, match="none is kept"):
        upkeep.list_snapshots(tmp_path / "nothing")
