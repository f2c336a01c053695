"""What happens to tasks that plan, work and commit: each ends as the table in docs/shards.md says."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_dirops.core import clean, cut, gather, open_snapshot, read_directory, work_shard
from airflow_dirops.core.errors import (
    DiropsError,
    KeyRefused,
    PlanDamaged,
    PlanNotSeen,
    PlanSuperseded,
    ShardMissing,
    SourceChanged,
    TargetConflict,
    TargetRefused,
    TooManyFailures,
)
from airflow_dirops.core.places.directory import notes
from tests.core.sharding.conftest import Sharded
from tests.core.sharding.sharded import attempts_left


def test_a_shard_that_was_cut_off_goes_on_in_its_next_try(sharded: Sharded) -> None:
    def breaks_off(path: str) -> bytes:
        if path.endswith("3.txt") and not mended:
            raise KeyboardInterrupt
        return sharded.copy(path)

    mended = False
    sharded.read = breaks_off
    stage = sharded.stage()
    planned = cut(stage, 2)
    with pytest.raises(KeyboardInterrupt):
        work_shard(stage, planned.shards[0])
    assert sharded.take_computed() == ["0.txt", "1.txt", "2.txt"]
    mended = True
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    assert sharded.take_computed() == ["3.txt", "4.txt", "5.txt", "6.txt", "7.txt"]
    assert (sealed[0]["computed"], sealed[0]["reused"]) == (1, 3)
    assert gather(stage, planned, sealed).outcome == "committed"


def test_two_tries_of_one_shard_at_once_do_not_disturb_each_other(sharded: Sharded) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(path: str) -> bytes:
        if path.endswith("2.txt") and threading.current_thread() is zombie:
            begun.set()
            go_on.wait(30)
        return sharded.copy(path)

    sharded.read = slow
    stage, late = sharded.stage(), []
    planned = cut(stage, 2)
    zombie = threading.Thread(target=lambda: late.append(work_shard(stage, planned.shards[0])))
    zombie.start()
    assert begun.wait(30)
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    go_on.set()
    zombie.join(30)
    assert late[0]["area"] != sealed[0]["area"]
    # Whichever message comes last is as good as the other.
    outcome = gather(stage, planned, [*sealed, *late])
    assert (outcome.outcome, outcome.counts["entries"]) == ("committed", 8)
    assert attempts_left(sharded.target) == []


@pytest.mark.parametrize("last", ["2.txt", "0.txt"], ids=["in its work", "before it reads its part of the plan again"])
def test_a_shard_that_wakes_past_the_commit_changes_nothing(sharded: Sharded, last: str) -> None:
    begun, go_on = threading.Event(), threading.Event()
    ended: list[DiropsError] = []

    def slow(path: str) -> bytes | None:
        if path.endswith(last) and threading.current_thread() is zombie:
            begun.set()
            go_on.wait(30)
        return sharded.copy(path) if path.endswith(".txt") else None

    def work_late() -> None:
        try:
            work_shard(stage, planned.shards[0])
        except DiropsError as error:
            ended.append(error)

    (sharded.raw / "0.csv").touch()  # it shares its key, so that both come before all others
    sharded.read = slow
    stage = sharded.stage()
    planned = cut(stage, 2)
    zombie = threading.Thread(target=work_late)
    zombie.start()
    assert begun.wait(30)
    outcome = gather(stage, planned, [work_shard(stage, shard) for shard in planned.shards])
    go_on.set()
    zombie.join(30)
    assert isinstance(ended[0], PlanSuperseded), ended
    assert open_snapshot(sharded.target).manifest.snapshot == outcome.snapshot
    clean(sharded.target)
    assert attempts_left(sharded.target) == []


def test_a_shard_that_is_missing_is_named_and_only_it_is_made(sharded: Sharded) -> None:
    stage = sharded.stage()
    planned = cut(stage, 4)
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    with pytest.raises(ShardMissing, match=r"1 of 4 shards have no result for this plan.*: 2. Clear their tasks"):
        gather(stage, planned, [*sealed[:2], None, sealed[3]])
    sharded.take_computed()
    again = work_shard(stage, planned.shards[2])
    assert sharded.take_computed() == []
    assert gather(stage, planned, [*sealed[:2], again, sealed[3]]).outcome == "committed"


def alter(path: Path, before: bytes, after: bytes) -> None:
    """Another file under the same name."""
    content = path.read_bytes().replace(before, after)
    path.unlink()
    path.write_bytes(content)


LOSSES = {
    "the area": lambda area, other: area.rename(area.with_name("elsewhere")),
    "its tree": lambda area, other: (area / "tree").rename(area / "moved"),
    "a list": lambda area, other: (area / "notes" / "files.jsonl").unlink(),
    "what a list says": lambda area, other: alter(area / "notes" / "files.jsonl", b'"2.txt"', b'"9.txt"'),
    "the seal": lambda area, other: alter(area / "notes" / "seal.json", b'"shard":1', b'"shard":2'),
    "the seal, for that of another try": lambda area, other: (other / "notes" / "seal.json").replace(
        area / "notes" / "seal.json"
    ),
    "a file": lambda area, other: (area / "tree" / "2.bin").unlink(),
    "what a file holds": lambda area, other: alter(area / "tree" / "2.bin", b"text", b"TEXT"),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_what_a_shard_sealed_is_lost_and_it_is_made_again(
    sharded: Sharded, lose: Callable[[Path, Path], object]
) -> None:
    stage = sharded.stage()
    planned = cut(stage, 4)
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    attempts = sharded.target.parent / ".dirops" / "target" / "attempts"
    lose(attempts / sealed[1]["area"], attempts / work_shard(stage, planned.shards[1])["area"])
    with pytest.raises(ShardMissing, match=r"what shard 1 made is not there.*clear that shard's task"):
        gather(stage, planned, sealed)
    assert not sharded.target.exists()
    sealed[1] = work_shard(stage, planned.shards[1])
    assert gather(stage, planned, sealed).counts["entries"] == 8


DAMAGES = {
    "no plan": lambda notes: (notes / "plan.json").unlink(),
    "another plan": lambda notes: alter(notes / "plan.json", b'"total":8', b'"total":9'),
    "no part of it": lambda notes: (notes / "plan-0.jsonl").unlink(),
    "another part": lambda notes: alter(notes / "plan-0.jsonl", b'"0.txt"', b'"7.txt"'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_plan_is_damaged_and_made_anew(sharded: Sharded, damage: Callable[[Path], object]) -> None:
    planned = cut(sharded.stage(), 2)
    damage(sharded.target.parent / ".dirops" / "target" / "attempts" / (planned.plan or "") / "notes")
    with pytest.raises(PlanDamaged, match=r"cannot be used: .*Plan it anew: clear the task that planned"):
        work_shard(sharded.stage(), planned.shards[0])
    anew = cut(sharded.stage(try_number=2), 2)
    sealed = [work_shard(sharded.stage(), shard) for shard in anew.shards]
    assert gather(sharded.stage(), anew, sealed).outcome == "committed"


def test_the_plan_is_cleared_while_shards_run(sharded: Sharded) -> None:
    old = cut(sharded.stage(try_number=1), 4)
    sealed = [work_shard(sharded.stage(), shard) for shard in old.shards[:2]]
    sharded.take_computed()
    new = cut(sharded.stage(try_number=2), 3)
    with pytest.raises(PlanSuperseded, match="clear the task that planned"):
        work_shard(sharded.stage(), old.shards[2])
    with pytest.raises(PlanSuperseded, match="clear the task that planned"):
        gather(sharded.stage(), old, [{**sealed[0], "shard": number} for number in range(4)])
    results = [work_shard(sharded.stage(), shard) for shard in new.shards]
    assert sharded.take_computed() == ["4.txt", "5.txt", "6.txt", "7.txt"], "what the old plan's had finished is reused"
    with pytest.raises(ShardMissing, match=r"1 \(of another plan\)"):
        gather(sharded.stage(), new, [results[0], sealed[1], results[2]])
    assert gather(sharded.stage(), new, results).counts["entries"] == 8


def test_a_shard_that_is_sealed_when_its_plan_is_over_says_so(sharded: Sharded) -> None:
    def clears(path: str) -> bytes:
        if path.endswith("1.txt") and not planned_anew:
            planned_anew.append(cut(sharded.stage(try_number=2), 2))
        return sharded.copy(path)

    planned_anew: list[object] = []
    sharded.read = clears
    planned = cut(sharded.stage(), 2)
    with pytest.raises(PlanSuperseded, match="clear the task that planned"):
        work_shard(sharded.stage(), planned.shards[0])


def test_another_run_commits_meanwhile_and_nothing_is_computed_twice(sharded: Sharded) -> None:
    stage = sharded.stage()
    planned = cut(stage, 3)
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    read_directory(source=sharded.raw, target=sharded.target, read=str, codec="text", stage="sharded", version="2")
    with pytest.raises(TargetConflict, match="Plan it anew: clear the task that planned"):
        gather(stage, planned, sealed)
    sharded.take_computed()
    anew = cut(sharded.stage(try_number=2), 3)
    outcome = gather(sharded.stage(), anew, [work_shard(sharded.stage(), shard) for shard in anew.shards])
    assert (outcome.outcome, sharded.take_computed()) == ("committed", [])


def test_the_commit_is_called_again_after_it_has_committed(sharded: Sharded) -> None:
    stage = sharded.stage()
    planned = cut(stage, 3)
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    first = gather(stage, planned, sealed)
    again = gather(stage, planned.to_dict(), sealed)
    assert (again.outcome, again.snapshot) == ("committed", first.snapshot)
    other = read_directory(
        source=sharded.raw, target=sharded.target, read=sharded.copy, codec="bytes", stage="sharded", version="2"
    )
    retired = gather(stage, planned, sealed)
    assert (retired.outcome, retired.snapshot) == ("committed", first.snapshot)
    assert open_snapshot(sharded.target).manifest.snapshot == other.snapshot


def test_two_commits_at_once_are_one(sharded: Sharded) -> None:
    for number in range(5):
        stage = sharded.stage(f"run {number}", redo="all")
        planned = cut(stage, 3)
        sealed = [work_shard(stage, shard) for shard in planned.shards]
        with ThreadPoolExecutor(3) as threads:
            outcomes = [threads.submit(gather, stage, planned, sealed) for _ in range(3)]
        assert {each.result().outcome for each in outcomes} == {"committed"}
        assert {each.result().snapshot for each in outcomes} == {open_snapshot(sharded.target).manifest.snapshot}
        clean(sharded.target)
        assert attempts_left(sharded.target) == []


def test_a_shard_is_cleared_after_the_commit(sharded: Sharded) -> None:
    stage = sharded.stage()
    planned = cut(stage, 3)
    gather(stage, planned, [work_shard(stage, shard) for shard in planned.shards])
    with pytest.raises(PlanSuperseded, match="clear the task that planned, together with the shards and the commit"):
        work_shard(stage, planned.shards[0])


def test_the_plan_is_cleared_after_the_commit_and_all_is_made_anew(sharded: Sharded) -> None:
    def run(try_number: int, first_try: int) -> tuple[str, list[str]]:
        stage = sharded.stage(try_number=try_number)
        from dataclasses import replace

        import msgspec

        stage = replace(stage, attempt=msgspec.structs.replace(stage.attempt, first_try_number=first_try))
        planned = cut(stage, 3)
        outcome = gather(stage, planned, [work_shard(stage, shard) for shard in planned.shards])
        return outcome.outcome, sharded.take_computed()

    everything = [f"{number}.txt" for number in range(8)]
    assert run(1, 1) == ("committed", everything)
    assert run(2, 2) == ("committed", everything), "as a task that had committed and is cleared"


def test_failures_are_counted_over_all_shards(sharded: Sharded) -> None:
    def picky(path: str) -> bytes:
        if Path(path).stem in ("0", "3", "7"):
            raise ValueError(f"{Path(path).name} cannot be read")
        return sharded.copy(path)

    sharded.read = picky
    stage = sharded.stage(on_error="quarantine", max_failures=2)
    planned = cut(stage, 4)
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    with pytest.raises(TooManyFailures, match="3 of 8 inputs of stage sharded failed, and max_failures=2 allows 2"):
        gather(stage, planned, sealed)
    sharded.take_computed()
    outcome = gather(sharded.stage(on_error="quarantine", max_failures=3), planned, sealed)
    assert (outcome.outcome, outcome.counts["quarantined"], sharded.take_computed()) == ("committed", 3, [])


def test_one_shard_has_more_failures_than_the_whole_stage_allows(sharded: Sharded) -> None:
    def broken(path: str) -> bytes:
        raise ValueError("cannot be read")

    sharded.read = broken
    stage = sharded.stage(on_error="quarantine", max_failures=2)
    with pytest.raises(TooManyFailures, match="max_failures=2"):
        work_shard(stage, cut(stage, 2).shards[1])


def test_two_shards_want_one_name(sharded: Sharded) -> None:
    def alike(path: str):
        yield ("same" if Path(path).stem in ("1", "6") else Path(path).stem), sharded.copy(path)

    sharded.read = alike
    stage = sharded.stage()
    planned = cut(stage, 4)
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    with pytest.raises(KeyRefused) as refused:
        gather(stage, planned, sealed)
    assert "'1.txt'" in refused.value.findings[0]
    assert "'6.txt'" in refused.value.findings[0]
    assert "def read(path, *, key)" in str(refused.value)
    assert not sharded.target.exists()


def test_a_name_of_one_shard_is_a_folder_of_another(sharded: Sharded) -> None:
    def alike(path: str):
        yield {"1": "a", "6": "a.bin/b"}.get(Path(path).stem, Path(path).stem), sharded.copy(path)

    sharded.read = alike
    stage = sharded.stage()
    planned = cut(stage, 4)
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    with pytest.raises(KeyRefused, match=r"a\.bin"):
        gather(stage, planned, sealed)


def test_a_run_of_another_day_leaves_an_open_claim_alone(sharded: Sharded) -> None:
    stage = sharded.stage("monday")
    planned = cut(stage, 2)
    first = work_shard(stage, planned.shards[0])
    clean(sharded.target)
    sealed = [first, work_shard(stage, planned.shards[1])]
    assert gather(stage, planned, sealed).outcome == "committed"


def test_other_code_cannot_go_on(sharded: Sharded) -> None:
    planned = cut(sharded.stage(), 2)
    with pytest.raises(TargetRefused, match="give every machine the same code"):
        work_shard(sharded.stage(version="2"), planned.shards[0])


@pytest.mark.parametrize("other", [{"limit": 3}, {"partition": "2026-11-02"}])
def test_a_plan_for_something_else_is_refused(sharded: Sharded, other: dict[str, object]) -> None:
    planned = cut(sharded.stage(), 2)
    with pytest.raises(PlanDamaged, match=f"{next(iter(other))}=None, and this is for"):
        work_shard(sharded.stage(**other), planned.shards[0])


def test_a_machine_that_does_not_see_the_target_is_named(
    sharded: Sharded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "PATIENCE_SECONDS", 0.1)
    planned = cut(sharded.stage(), 2)
    elsewhere = {**planned.shards[0].to_dict(), "host": "planner"}
    sharded.target = tmp_path / "not mounted" / "target"
    with pytest.raises(PlanNotSeen, match=r"does not see .*not mounted.*machine 'planner' left the claim"):
        work_shard(sharded.stage(), elsewhere)
    assert not sharded.target.parent.exists()


def test_what_another_machine_wrote_is_waited_for(sharded: Sharded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "_LOOK_EVERY_SECONDS", 0.05)
    stage = sharded.stage()
    planned = cut(stage, 2)
    attempts = sharded.target.parent / ".dirops" / "target" / "attempts"
    plan = attempts / planned.shards[0].plan
    sealed = [work_shard(stage, shard) | {"host": "worker"} for shard in planned.shards]
    area = attempts / sealed[0]["area"] / "notes"
    for late in (plan / "claim.json", plan / "notes", area):
        hidden = late.rename(late.with_name("not seen yet"))
        appears = threading.Timer(0.5, hidden.rename, [late])
        appears.start()
        again = work_shard(stage, {**planned.shards[0].to_dict(), "host": "planner"}) if late != area else None
        outcome = gather(stage, planned, sealed) if again is None else None
        appears.join()
    assert outcome
    assert outcome.outcome == "committed"


def test_what_a_plan_finds_changed_since_is_an_error_of_the_shard(sharded: Sharded) -> None:
    planned = cut(sharded.stage(), 2)
    (sharded.raw / "1.txt").write_text("changed after it was listed")
    with pytest.raises(SourceChanged, match=r"changed while it was read.* Plan it anew: clear the task that planned"):
        work_shard(sharded.stage(), planned.shards[0])
    anew = cut(sharded.stage(try_number=2), 2)
    sealed = [work_shard(sharded.stage(), shard) for shard in anew.shards]
    assert gather(sharded.stage(), anew, sealed).outcome == "committed"


def test_shards_read_the_snapshot_that_was_planned(sharded: Sharded, tmp_path: Path) -> None:
    from airflow_dirops.core import Stage

    source, target = tmp_path / "source", tmp_path / "upper"

    def make(mark: str) -> None:
        read_directory(source=sharded.raw, target=source, codec="bytes", stage="a", version=mark,
                       read=lambda path: mark.encode() + Path(path).read_bytes())  # fmt: skip

    make("a")
    stage = Stage(source=source, target=target, transform=bytes.upper, codec="bytes", stage="b")
    planned = cut(stage, 3)
    make("b")
    outcome = gather(stage, planned, [work_shard(stage, shard) for shard in planned.shards])
    made = open_snapshot(target)
    assert {record.value[:1] for record in made} == {b"A"}
    assert re.fullmatch(r"[0-9a-f-]{36}", made.manifest.source.snapshot or "")
    assert outcome.counts["entries"] == 8
