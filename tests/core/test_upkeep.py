"""What a person does to a target between runs: look, verify, repair, roll back, clean."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from airflow_dirops.core import open_snapshot, read_directory, upkeep
from airflow_dirops.core.errors import ManifestMissing, SnapshotDamaged, SnapshotExpired, TargetConflict, TargetRefused
from airflow_dirops.core.retention import Retention

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
        assert upkeep.rollback(target).snapshot == first.snapshot
        assert values(target)["a0"] == 0
        kept = {kept.manifest.snapshot: kept.is_current for kept in upkeep.list_snapshots(target)}
        assert kept == {first.snapshot: True, second.snapshot: False}
        assert upkeep.rollback(target, second.snapshot).snapshot == second.snapshot
        assert values(target)["a0"] == 100

    def test_brings_back_a_target_whose_header_is_damaged_and_keeps_the_damaged_one(self, source, target):
        first = run(source, target)
        change(source, "a0.txt", 100)
        run(source, target)
        (target / "_dirops" / "manifest.json").write_bytes(b"{")
        with pytest.raises(TargetRefused, match="roll that target back with 'dirops rollback'"):
            run(source, target)
        assert upkeep.rollback(target).snapshot == first.snapshot
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
            read_directory(source=source, target=target, read=read_late, stage="read_number", full=True)
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
        outcome = run(source, target, verify=True)
        assert (outcome.counts["computed"], outcome.counts["carried"]) == (1, 4)
        assert upkeep.verify(target, deep=True).is_good

    def test_a_good_target_is_left_alone(self, source, target):
        before = run(source, target)
        assert upkeep.repair(target) == upkeep.Repaired(before.snapshot, [], [])


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
        run(source, target, replace_unmanaged=True)
        cleaned = upkeep.clean(target, Retention(0, 0))
        assert cleaned.snapshots == []
        (name,) = cleaned.unmanaged
        assert (retired(target) / name / "precious.txt").read_text() == "theirs"

    def test_a_target_that_never_was_is_clean(self, tmp_path):
        assert upkeep.clean(tmp_path / "nothing") == upkeep.Cleaned([], [], [])


def test_the_history_of_nothing_is_an_error(tmp_path):
    with pytest.raises(ManifestMissing, match="none is kept"):
        upkeep.list_snapshots(tmp_path / "nothing")
