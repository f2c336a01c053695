"""A snapshot is held, and somebody publishes it, rejects it, or does neither."""

from __future__ import annotations

import getpass
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import (
    Attempt,
    LogicalRun,
    Outcome,
    Retention,
    list_held,
    list_rejections,
    list_snapshots,
    open_snapshot,
    publish,
    read_manifest,
    reject,
    rollback,
    status,
    transform_directory,
    upkeep,
)
from airflow_dirops.core.errors import (
    ArgumentRefused,
    DiropsError,
    ManifestMissing,
    NotHeld,
    SnapshotDamaged,
    TargetConflict,
    TargetRefused,
)
from tests.core.conftest import Run
from tests.core.directories import assert_whole, control_of, header_of, retired_of, values_of, write_texts
from tests.core.seed import shout

OLD = {"a": "alpha", "b": "beta", "c": "gamma"}


def hold(run: Run, **changes: Any) -> Outcome:
    outcome = run(publish="hold", **changes)
    assert outcome.outcome == "held"
    return outcome


def hold_document(target: Path) -> Path:
    (document,) = (control_of(target) / "attempts").glob("*/hold.json")
    return document


class TestHeld:
    def test_the_target_is_as_it_was_and_the_outcome_says_so(self, run: Run, target: Path, texts: Path) -> None:
        before = run()
        write_texts(texts, a="changed")
        outcome = hold(run)
        assert read_manifest(target).snapshot == before.snapshot
        assert values_of(target) == OLD
        assert (outcome.snapshot, outcome.manifest) != (before.snapshot, before.manifest)
        assert outcome.manifest is None
        assert outcome.counts["computed"] == 1

    def test_nothing_is_there_where_nothing_was(self, run: Run, target: Path) -> None:
        held = hold(run)
        assert not target.exists()
        with pytest.raises(ManifestMissing, match=f"snapshot {held.snapshot} is held, and waits"):
            open_snapshot(target)

    def test_it_can_be_looked_at_by_who_names_it(self, run: Run, target: Path) -> None:
        held = hold(run)
        (listed,) = list_held(target)
        assert listed.manifest.snapshot == held.snapshot
        with open_snapshot(held.to_dict()) as snapshot:
            assert {record.key: record.value for record in snapshot} == OLD

    def test_no_stage_reads_it_before_it_is_published(self, run: Run, target: Path, tmp_path: Path) -> None:
        held = hold(run)

        def after() -> Outcome:
            return transform_directory(source=held.to_dict(), target=tmp_path / "after", transform=shout, codec="text")

        with pytest.raises(NotHeld, match="dirops publish"):
            after()
        publish(target)
        assert after().outcome == "committed"

    def test_a_retry_of_the_run_that_held_it_holds_the_same(self, run: Run, target: Path) -> None:
        tries = [Attempt(run=LogicalRun("dag", "run", "task"), try_number=number) for number in (1, 2)]
        first, second = (hold(run, attempt=each) for each in tries)
        assert first.snapshot == second.snapshot
        assert second.counts["reused"] == 3
        assert [each.manifest.snapshot for each in list_held(target)] == [first.snapshot]

    def test_other_runs_cleaning_and_retention_leave_it(self, run: Run, target: Path, texts: Path) -> None:
        run()
        write_texts(texts, a="held")
        held = hold(run)
        for text in ("one", "two", "three", "four", "five", "six"):
            write_texts(texts, a=text)
            run(retention=Retention(0, 0), run=text)
        upkeep.clean(target, Retention(0, 0))
        with open_snapshot(held.to_dict(), verify=True) as snapshot:
            assert {record.key: record.value for record in snapshot} == OLD | {"a": "held"}

    def test_a_clean_up_says_that_it_stays(self, run: Run, target: Path) -> None:
        held = hold(run)
        (said,) = upkeep.clean(target).left
        assert str(held.snapshot) in said

    def test_it_is_not_held_onto_a_base_that_moved(self, run: Run, target: Path) -> None:
        def read(path: str) -> str:
            run(run="meanwhile")
            return path

        with pytest.raises(TargetConflict):
            run(read=read, publish="hold", source_codec=None)
        assert list_held(target) == []

    def test_status_knows(self, run: Run, target: Path, texts: Path) -> None:
        run()
        write_texts(texts, a="changed")
        held = hold(run)
        (stage,) = status(target.parent).stages
        (partition,) = stage.partitions
        assert (partition.state, partition.held) == ("held", (held.snapshot,))
        publish(target)
        (stage,) = status(target.parent).stages
        assert stage.partitions[0].state == "whole"

    @pytest.mark.parametrize("given", [{"publish": "later"}, {"hold_hours": 0}, {"hold_hours": "1"}])
    def test_what_cannot_be_is_refused(self, run: Run, given: dict[str, Any]) -> None:
        with pytest.raises(ArgumentRefused, match=next(iter(given))):
            run(**given)


class TestPublish:
    def test_it_is_one_commit_that_says_who(self, run: Run, target: Path, texts: Path) -> None:
        before = run()
        write_texts(texts, a="changed")
        held = hold(run)
        published = publish(target, reason="looks right")
        assert published == read_manifest(target)
        assert published.snapshot == held.snapshot
        assert published.upkeep is not None
        who = published.upkeep
        assert (who.action, who.user, who.reason) == ("publish", getpass.getuser(), "looks right")
        assert values_of(target) == OLD | {"a": "changed"}
        assert_whole(target)
        assert [path.name for path in retired_of(target)] == [before.snapshot]
        assert list_held(target) == []
        assert [each.manifest.snapshot for each in list_snapshots(target)] == [held.snapshot, before.snapshot]

    def test_nothing_of_the_attempt_is_left(self, run: Run, target: Path) -> None:
        hold(run)
        publish(target)
        assert os.listdir(control_of(target) / "attempts") == []
        assert os.listdir(control_of(target) / "removing") == []

    def test_when_it_was_published_is_when_it_was_created(self, run: Run, target: Path) -> None:
        hold(run)
        (listed,) = list_held(target)
        time.sleep(0.01)
        assert publish(target).created > listed.manifest.created

    def test_again_does_nothing(self, run: Run, target: Path) -> None:
        held = hold(run)
        first = publish(target, held.snapshot, reason="one")
        assert publish(target, held.snapshot, reason="two") == first

    def test_the_next_run_has_nothing_to_do(self, run: Run, target: Path) -> None:
        hold(run)
        publish(target)
        assert run().outcome == "unchanged"
        assert run(publish="hold").outcome == "unchanged"

    def test_a_cleared_task_makes_all_of_it_anew(self, run: Run, target: Path) -> None:
        logical = LogicalRun("dag", "run", "task")
        hold(run, attempt=Attempt(run=logical))
        publish(target)
        again = run(attempt=Attempt(run=logical, try_number=2, first_try_number=2))
        assert (again.outcome, again.counts["computed"]) == ("committed", 3)

    def test_where_nothing_is_held(self, run: Run, target: Path) -> None:
        run()
        with pytest.raises(NotHeld, match="no snapshot is held"):
            publish(target)

    def test_one_of_several_has_to_be_named(self, run: Run, target: Path, texts: Path) -> None:
        one = hold(run)
        write_texts(texts, a="two")
        two = hold(run)
        with pytest.raises(NotHeld) as refused:
            publish(target)
        assert [str(one.snapshot) in str(refused.value), str(two.snapshot) in str(refused.value)] == [True, True]
        publish(target, one.snapshot)
        assert values_of(target) == OLD

    def test_a_base_that_has_moved_is_refused_and_the_advice_helps(self, run: Run, target: Path, texts: Path) -> None:
        run()
        write_texts(texts, a="held")
        held = hold(run)
        write_texts(texts, a="newer")
        newer = run()
        with pytest.raises(TargetConflict, match="was made to replace") as refused:
            publish(target)
        assert f"dirops reject {target} --snapshot={held.snapshot} --reason=outdated" in str(refused.value)
        assert read_manifest(target).snapshot == newer.snapshot
        reject(target, held.snapshot, reason="outdated")
        write_texts(texts, a="again")
        hold(run)
        publish(target)
        assert values_of(target) == OLD | {"a": "again"}

    def test_a_base_that_was_rolled_back_to_is_the_same(self, run: Run, target: Path, texts: Path) -> None:
        base = run()
        write_texts(texts, a="held")
        hold(run)
        write_texts(texts, a="wrong")
        run()
        rollback(target, base.snapshot)
        publish(target)
        assert values_of(target) == OLD | {"a": "held"}

    def test_what_lost_a_file_is_refused(self, run: Run, target: Path) -> None:
        held = hold(run)
        (control_of(target) / "attempts").joinpath(hold_document(target).parent.name, "tree", "a.txt").unlink()
        with pytest.raises(SnapshotDamaged, match="is missing"):
            publish(target)
        reject(target, held.snapshot, reason="damaged")
        hold(run)
        publish(target)
        assert values_of(target) == OLD

    def test_what_a_stage_may_replace_it_may_when_it_is_published(self, run: Run, target: Path) -> None:
        target.mkdir(parents=True)
        (target / "precious.csv").write_text("1,2")
        with pytest.raises(TargetRefused):
            run(publish="hold")
        hold(run, may_replace={"unmanaged"})
        assert os.listdir(target) == ["precious.csv"]
        publish(target)
        assert values_of(target) == OLD
        (moved,) = (control_of(target) / "retired").iterdir()
        assert moved.name.startswith("unmanaged-")

    def test_a_trial_stays_a_trial(self, run: Run, target: Path) -> None:
        run()
        with pytest.raises(TargetRefused, match="trial"):
            run(limit=1, publish="hold")


class TestReject:
    def test_says_who_and_why_and_the_next_run_takes_over_its_files(self, run: Run, target: Path) -> None:
        held = hold(run)
        rejected = reject(target, reason="too dark")
        assert (rejected.snapshot, rejected.user, rejected.reason) == (held.snapshot, getpass.getuser(), "too dark")
        assert list_held(target) == []
        assert list_rejections(target) == [rejected]
        outcome = run()
        assert (outcome.outcome, outcome.counts["reused"]) == ("committed", 3)
        assert values_of(target) == OLD
        assert list_rejections(target) == [rejected]

    def test_again_does_nothing(self, run: Run, target: Path) -> None:
        held = hold(run)
        first = reject(target, held.snapshot, reason="one")
        assert reject(target, held.snapshot, reason="two") == first

    def test_it_cannot_be_published_any_more(self, run: Run, target: Path) -> None:
        held = hold(run)
        reject(target, reason="too dark")
        with pytest.raises(NotHeld, match=r"was rejected by .*too dark"):
            publish(target, held.snapshot)

    @pytest.mark.parametrize("reason", ["", "  ", "\ud800", "x" * 5000])
    def test_a_reason_is_needed(self, run: Run, target: Path, reason: str) -> None:
        hold(run)
        with pytest.raises(ArgumentRefused):
            reject(target, reason=reason)


class TestTime:
    def test_what_nobody_decided_in_time_is_not_published(self, run: Run, target: Path) -> None:
        held = hold(run, hold_hours=1e-7)
        time.sleep(0.01)
        assert list_held(target) == []
        with pytest.raises(NotHeld, match="nobody decided; run its stage again"):
            publish(target, held.snapshot)
        again = hold(run)
        assert again.counts["reused"] == 3
        publish(target, again.snapshot)
        assert values_of(target) == OLD

    def test_nobody_removes_it_for_another_hour(self, run: Run, target: Path) -> None:
        hold(run, hold_hours=1e-7)
        upkeep.clean(target, Retention(0, 0))
        document = hold_document(target)
        said = json.loads(document.read_bytes())
        document.write_bytes(json.dumps(said | {"until": time.time() - 3601}).encode())
        assert len(upkeep.clean(target, Retention(0, 0)).orphans) == 1


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "no object": b"[]",
    "another snapshot": b'{"snapshot":"01890000-0000-7000-8000-000000000000","until":9e9}',
    "no id": b'{"snapshot":"../../x","until":9e9}',
    "no time": b'{"snapshot":"01890000-0000-7000-8000-000000000000","until":-1}',
    "deep": b"[" * 100_000,
}


class TestDamage:
    @pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
    def test_a_document_that_says_nothing_holds_nothing(self, run: Run, target: Path, content: bytes) -> None:
        held = hold(run)
        hold_document(target).write_bytes(content)
        assert list_held(target) == []
        with pytest.raises(NotHeld):
            publish(target, held.snapshot)
        again = run()
        assert (again.outcome, again.counts["reused"]) == ("committed", 3)

    def test_a_tree_that_is_a_link_is_not_published(self, run: Run, target: Path, tmp_path: Path) -> None:
        held = hold(run)
        tree = hold_document(target).parent / "tree"
        tree.rename(tmp_path / "elsewhere")
        tree.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(NotHeld):
            publish(target, held.snapshot)
        assert not target.exists()

    def test_a_document_beside_another_attempts_tree_holds_nothing(self, run: Run, target: Path) -> None:
        run()
        hold(run, redo="all")
        document = hold_document(target)
        other = document.parent.with_name("01890000-0000-7000-8000-000000000000")
        document.parent.rename(other)
        assert list_held(target) == []

    def test_an_area_that_cannot_be_read_hides_no_other(self, run: Run, target: Path, texts: Path) -> None:
        one = hold(run)
        write_texts(texts, a="two")
        two = hold(run)
        for area in (control_of(target) / "attempts").iterdir():
            if one.snapshot in (area / "hold.json").read_text():
                (area / "hold.json").unlink()
                (area / "hold.json").mkdir()
        assert [each.manifest.snapshot for each in list_held(target)] == [two.snapshot]
        publish(target)
        assert values_of(target) == OLD | {"a": "two"}

    def test_rejections_that_cannot_be_read_are_none(self, run: Run, target: Path) -> None:
        hold(run)
        (control_of(target) / "rejections.json").write_bytes(b"{")
        assert list_rejections(target) == []
        assert reject(target, reason="no").reason == "no"
        assert len(list_rejections(target)) == 1

    def test_a_header_that_was_swapped_for_a_hostile_one_publishes_nothing(self, run: Run, target: Path) -> None:
        held = hold(run)
        header = hold_document(target).parent / "tree" / "_dirops" / "manifest.json"
        content = header.read_bytes()
        header.unlink()
        header.write_bytes(content.replace(b'"stage": "copy"', b'"stage": "' + b"x" * 9000 + b'"'))
        with pytest.raises(DiropsError):
            publish(target, held.snapshot)
        assert not target.exists()


def test_a_group_shares_what_is_held(run: Run, target: Path) -> None:
    """Whoever may write beside the target may decide."""
    target.parent.mkdir(parents=True)
    target.parent.chmod(0o770)
    hold(run)
    document = hold_document(target)
    assert document.stat().st_mode & 0o770 == 0o660
    assert document.parent.stat().st_mode & 0o777 == 0o770


def test_the_header_keeps_its_mode_and_its_time(run: Run, target: Path) -> None:
    """By its time it is judged which files have changed since."""
    hold(run)
    before = (hold_document(target).parent / "tree" / "_dirops" / "manifest.json").stat()
    publish(target)
    after = (target / "_dirops" / "manifest.json").stat()
    assert (before.st_mode, before.st_mtime_ns) == (after.st_mode, after.st_mtime_ns)
    assert header_of(target)["upkeep"]["action"] == "publish"
