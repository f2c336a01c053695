"""Targets on a real NFS server, as one machine or two see them, which believe for a second what they have seen."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash import scenarios
from tests.crash.checker import Content, control_of, look
from tests.crash.scenarios import LONG_AGO, ONE, TWO
from tests.crash.shim import Strike
from tests.crash.world import Ended, World, made_of
from tests.power.machines import BELIEVED_SECONDS, Shared, need_machines, two_machines

SCENARIOS = (
    "fresh",
    "replacement",
    "unmanaged",
    "empty_directory",
    "rerun",
    "resume",
    "cut_off_swap",
    "cut_off_swap_then_new_work",
    "rollback",
    "retention",
    "clean",
    "two_workers",
    "sharded",
    "shards_gathered",
)
# Each input takes so long that two stages that begin together have both claimed the target before either commits.
SECONDS_EACH = 0.05

# What may come of two writers whose locks the other does not see; each leaves the target as it was.
REFUSALS = {"TargetConflict", "AttemptSuperseded", "StorageError"}


@pytest.fixture(scope="module", params=["shared"])
def machines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, library: Path, sources: Path
) -> Iterator[Shared]:
    need_machines()
    with two_machines(tmp_path_factory.mktemp("nfs"), library, sources, locks=request.param) as shared:
        yield shared


@pytest.fixture
def shared(machines: Shared, request: pytest.FixtureRequest) -> Shared:
    """Another target for each test."""
    return machines.elsewhere(f"world-{abs(hash(request.node.nodeid))}")


@pytest.mark.parametrize("name", SCENARIOS)
def test_one_writer_leaves_nothing_behind(name: str, shared: Shared) -> None:
    scenario = scenarios.prepare(name, shared.first)
    job = scenario.job
    ended = scenario.world.run(job.name, **job.arguments)
    assert ended.result, ended
    assert scenario.expected.violations_after_retry(shared.target) == []


def test_repair_takes_bytes_from_a_retired_snapshot(shared: Shared) -> None:
    shared.first.root.mkdir()
    shared.first.commit(**ONE)
    shared.first.commit(**TWO | {"mark": "A"})
    whole = look(shared.target).content
    (shared.first.target / "deep/er/c.bin").unlink()
    ended = shared.first.run("repair")
    assert ended.result, ended
    assert ended.result["restored"] == ["deep/er/c.bin"]
    assert (look(shared.target).content, look(shared.target).findings) == (whole, ())


def test_the_other_machine_sees_each_commit_at_once(shared: Shared) -> None:
    """Though it has just seen the snapshot before, and could believe for a while that it is still there."""
    shared.first.root.mkdir()
    for round_ in range(5):
        writer, reader = (shared.first, shared.second) if round_ % 2 else (shared.second, shared.first)
        job = TWO | {"mark": f"{round_}.", "run": f"{round_}"}
        snapshot = writer.commit(**job)
        content = made_of(shared.first.sources / "two", job["mark"])
        assert reader.run("read").result == content
        assert reader.run("read", pinned=snapshot).result == content


def test_the_other_machine_sees_a_first_commit_at_once(shared: Shared) -> None:
    shared.first.root.mkdir()
    assert shared.second.run("read").error == "ManifestMissing"
    snapshot = shared.first.commit(**ONE)
    content = made_of(shared.first.sources / "one", "A")
    assert shared.second.run("read", pinned=snapshot).result == content
    assert shared.second.run("read").result == content


def test_a_reader_on_the_other_machine_while_a_writer_replaces(shared: Shared) -> None:
    shared.first.root.mkdir()
    shared.first.commit(**ONE)
    possible = [made_of(shared.first.sources / "one", "A")]
    for round_ in range(12):
        job = TWO | {"mark": f"{round_}.", "run": f"{round_}"}
        possible.append(made_of(shared.first.sources / "two", job["mark"]))
        writing = shared.first.start(**job)
        for reader in (shared.second, shared.first) * 2:
            assert _reading(reader, possible[-2:])
        assert shared.first.warm.wait(writing).result["outcome"] == "committed"


def test_a_slow_reader_keeps_its_snapshot(shared: Shared) -> None:
    shared.first.root.mkdir()
    shared.first.commit(**ONE)
    reading = shared.second.start("read", seconds_each=0.2)
    time.sleep(0.1)
    shared.first.commit(**TWO)
    assert shared.second.warm.wait(reading).result == made_of(shared.first.sources / "one", "A")


def test_of_two_writers_that_began_together_one_commits(shared: Shared) -> None:
    """I3, with locks that reach the other machine."""
    shared.first.root.mkdir()
    shared.first.commit(**ONE)
    for round_ in range(8):
        begun = _begin_on_both(shared, round_, SECONDS_EACH)
        ended = {mark: world.warm.wait(process) for mark, (world, process) in begun.items()}
        winners = [mark for mark, end in ended.items() if end.result]
        assert [end.error for end in ended.values() if not end.result] == ["TargetConflict"], ended
        assert look(shared.target).content == made_of(shared.first.sources / "two", winners[0])
    for world in (shared.first, shared.second):  # nobody takes what another machine may be working on
        assert world.run("clean").result
    assert list((shared.control / "attempts").iterdir()) == []


def test_a_stage_in_shards_on_two_machines_is_one_commit(shared: Shared) -> None:
    """Names come by message: each machine has looked before, and believes for a while that nothing is there."""
    shared.first.root.mkdir()
    shared.first.commit(**ONE)
    for round_ in range(3):
        here, there = (shared.first, shared.second) if round_ % 2 else (shared.second, shared.first)
        job = {"source": TWO["source"], "mark": f"{round_}."}
        planned = _done(here.run("cut_shards", run=f"{round_}", **job))
        at_work = [
            (world, world.start("work_shards", **job, cut=planned["cut"], shards=[shard]))
            for world, shard in zip((there, here, there), planned["shards"], strict=True)
        ]
        sealed = [message for world, process in at_work for message in _done(world.warm.wait(process))["sealed"]]
        outcome = _done(there.run("gather_shards", **job, cut=planned["cut"], sealed=sealed))
        content = made_of(shared.first.sources / "two", job["mark"])
        assert look(shared.target).content == content
        assert [world.run("read", pinned=outcome["snapshot"]).result for world in (here, there)] == [content, content]


def test_a_shard_whose_machine_is_lost_is_made_by_the_other(shared: Shared) -> None:
    shared.first.root.mkdir()
    job = {"source": TWO["source"], "mark": "A"}
    planned = _done(shared.first.run("cut_shards", run="lost", **job))
    *most, last = planned["shards"]
    sealed = _done(shared.first.run("work_shards", **job, cut=planned["cut"], shards=most))["sealed"]
    part = job | {"cut": planned["cut"], "shards": [last]}
    assert shared.second.run("work_shards", **part, strike=Strike("kill-before", 1, "seal.json")).status == "killed"
    sealed += _done(shared.first.run("work_shards", **part))["sealed"]
    _done(shared.second.run("gather_shards", **job, cut=planned["cut"], sealed=sealed))
    assert look(shared.target).content == made_of(shared.first.sources / "two", "A")


def _done(ended: Ended) -> dict[str, Any]:
    assert ended.result, ended
    return ended.result


def test_what_a_program_still_reads_is_deleted_later(shared: Shared) -> None:
    """Its names stay as ``.nfs…``, so the directory cannot be removed yet."""
    shared.first.root.mkdir()
    replaced = shared.first.commit(**ONE)
    shared.first.commit(**TWO)
    kept = control_of(shared.first.target) / "retired" / replaced
    os.utime(kept, (LONG_AGO, LONG_AGO))
    with (kept / "a.bin").open("rb") as file:
        assert shared.first.run("clean", keep_snapshots=0).result
        assert file.read() == b"Afirst"
    assert shared.first.run("clean", keep_snapshots=0).result
    assert list((shared.control / "retired").iterdir()) == []
    assert list((shared.control / "removing").iterdir()) == []


def test_retention_passes_over_what_a_reader_on_this_machine_holds(shared: Shared) -> None:
    ended = _read_while_its_snapshot_expires(shared, shared.first)
    assert ended.result == made_of(shared.first.sources / "one", "A")


def test_retention_does_not_see_readers_on_the_other_machine(shared: Shared) -> None:
    """Locks on directories do not leave a machine over NFS; what a reader then gets says so."""
    ended = _read_while_its_snapshot_expires(shared, shared.second)
    assert ended.error == "SnapshotExpired"
    assert "by another machine" in ended.message


@pytest.mark.parametrize("machines", ["local"], indirect=True)
def test_without_shared_locks_every_snapshot_is_whole(shared: Shared) -> None:
    """I1 and I2 hold without a lock; and no two writers leave a target that nobody can use any more."""
    shared.first.root.mkdir()
    shared.first.commit(**ONE)
    possible = [made_of(shared.first.sources / "one", "A")]
    until = time.monotonic() + 15
    refused, committed, round_ = set(), 0, 0
    while time.monotonic() < until:
        begun = _begin_on_both(shared, round_ := round_ + 1)
        possible += [made_of(shared.first.sources / "two", mark) for mark in begun]
        for reader in (shared.second, shared.first):
            _reading(reader, possible, may_be_absent=True)
        for world, process in begun.values():
            ended = world.warm.wait(process)
            committed += ended.result is not None
            refused |= {ended.error} if ended.error else set()
        for reader in (shared.second, shared.first):
            _reading(reader, possible, may_be_absent=True)
        assert look(shared.target) is None or look(shared.target).findings == ()
    assert refused <= REFUSALS
    assert committed >= round_ / 2

    time.sleep(BELIEVED_SECONDS)
    for world in (shared.first, shared.second):
        world.commit(**TWO | {"mark": f"at last {world.root} ", "run": f"at last {world.root}"})
        assert look(shared.target).findings == ()


def _read_while_its_snapshot_expires(shared: Shared, reader: World) -> Ended:
    shared.first.root.mkdir()
    shared.first.commit(**ONE)
    reading = reader.start("read", seconds_each=0.3)
    time.sleep(0.15)
    shared.first.commit(**TWO)
    assert shared.first.run("clean", keep_snapshots=0, keep_hours=0).result
    return reader.warm.wait(reading)


def _begin_on_both(shared: Shared, round_: int, seconds_each: float = 0) -> dict[str, tuple[World, int]]:
    """Start a writer on each machine; by their marks."""
    begun = {}
    for world, name in ((shared.first, "first"), (shared.second, "second")):
        mark = f"{name} {round_} "
        begun[mark] = world, world.start(**TWO | {"mark": mark, "run": mark, "seconds_each": seconds_each})
    return begun


def _reading(reader: World, possible: list[Content], may_be_absent: bool = False) -> Ended:
    ended = reader.run("read")
    assert ended.result in possible or (may_be_absent and ended.error == "ManifestMissing"), ended
    return ended
