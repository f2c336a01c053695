"""The power goes before any file-system call of a stage, and after its success; then the disk is mounted again.

The process is stopped, so that it cannot see the end coming, and the file system is told to drop all that it has not
written (``FS_IOC_SHUTDOWN``). So these are the states in which whatever was not synced is gone. With a bystander's
fsync before that, all names are there and the bytes that nobody synced are gone: the worst a journal can do.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash import scenarios
from tests.crash.checker import look
from tests.crash.scenarios import Job, Scenario
from tests.crash.shim import Strike
from tests.crash.world import Ended, Warm, World
from tests.power.disks import Disk, run
from tests.power.reboots import forget_boot
from tests.power.verdict import SCENARIOS, SPOILED, shows_new, violations

ORDINARY_STATES = 20


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("bystander", [False, True], ids=["alone", "with a bystander"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_was_not_synced_is_gone_and_one_whole_snapshot_is_there(
    name: str,
    bystander: bool,
    disk: Disk,
    warm: Warm,
    sources: Path,
    states_wanted: int | None,
    count_states: Callable[[str, int], None],
) -> None:
    scenario = scenarios.prepare(name, World(warm, disk.where / "template", sources))
    with scenario.world.copy(disk.where / "count") as world:
        calls = world.run(scenario.job.name, **scenario.job.arguments).calls
    wanted = ORDINARY_STATES if states_wanted is None else states_wanted or calls
    points = [*range(1, calls + 1, max(1, calls // wanted)), calls + 100]
    found = []
    for number, at in enumerate(points):
        with scenario.world.copy(disk.where / str(number)) as world:
            violated = _experiment(scenario, world, disk, at, bystander)
            found += [f"{name}, before call {at} of {calls}: {what}" for what in violated]
    count_states(f"{disk.kind}, shut down, {name}", len(points))
    assert not found, "\n".join(found)


def _experiment(scenario: Scenario, world: World, disk: Disk, at: int, bystander: bool) -> list[str]:
    job = scenario.job
    ended = _cut_power_in(world, disk, job, at, bystander)
    next_run = job.new_run() if at % 2 else job.next_try()
    return violations(scenario, world, is_committed=ended.result is not None, next_run=next_run)


def _cut_power_in(world: World, disk: Disk, job: Job, at: int, bystander: bool = False) -> Ended:
    """Run a job up to a call, or to its end if it has fewer calls, and cut the power.

    :param bystander: somebody else syncs a file of the same disk just before.
    """
    run("sync", "-f", disk.where)
    pid = world.start(job.name, strike=Strike("stop-before", at), **job.arguments)
    ended = world.warm.wait(pid)
    if bystander:
        (disk.where / "bystander").write_bytes(b"other work")
        _sync(disk.where / "bystander")
    disk.cut_power()
    if ended.status == "stopped":
        os.kill(pid, signal.SIGKILL)
        world.warm.wait(pid)
    disk.come_back()
    forget_boot(world.target)
    return ended


@pytest.mark.parametrize("what", SPOILED)
def test_a_commit_without_its_syncs_is_lost(what: str, disk: Disk, spoil: Callable[..., Warm], sources: Path) -> None:
    """The harness can fail: it catches a package that does not sync as it should."""
    module, line = SPOILED[what]
    assert not _keeps_its_commit(World(spoil(module, line), disk.where / "world", sources), disk)


@pytest.mark.parametrize(("durability", "is_kept"), [("full", True), ("process", False)])
def test_only_full_durability_survives(durability: str, is_kept: bool, disk: Disk, warm: Warm, sources: Path) -> None:
    assert _keeps_its_commit(World(warm, disk.where / "world", sources), disk, durability=durability) == is_kept


def _keeps_its_commit(world: World, disk: Disk, **options: str) -> bool:
    """Whether a fresh target, reported as committed, is there and whole after a loss of power."""
    world.root.mkdir()
    job = Job(scenarios.ONE | options)
    assert _cut_power_in(world, disk, job, at=0).result
    return shows_new(world, job)


def test_files_that_lost_their_bytes_are_not_reused(disk: Disk, warm: Warm, sources: Path) -> None:
    """The journal may outlive the bytes that it promises: after a reboot they are digested before they are reused."""
    world = World(warm, disk.where / "world", sources)
    world.root.mkdir()
    job = Job(scenarios.ONE | {"durability": "process"})
    pid = world.start(strike=Strike("stop-before", 1, "manifest.json"), **job.arguments)
    assert warm.wait(pid).status == "stopped"
    attempt = next((world.control / "attempts").iterdir())
    # Its journal reaches the disk by chance, and the directory with it; the files do not.
    for path in (
        attempt / "journal.jsonl",
        attempt / "owner.json",
        *(path for path in (attempt / "tree").rglob("*") if path.is_dir()),
        attempt,
    ):
        _sync(path)
    disk.cut_power()
    os.kill(pid, signal.SIGKILL)
    warm.wait(pid)
    disk.come_back()
    forget_boot(world.target)
    lines = (attempt / "journal.jsonl").read_bytes().count(b"\n")
    assert lines
    assert all(path.stat().st_size == 0 for path in (attempt / "tree").rglob("*.bin"))
    ended = world.run(**job.next_try())
    assert ended.result
    assert ended.result["counts"]["reused"] < lines
    assert look(world.target).content == job.content(world)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
