"""A real disk is full or out of inodes, becomes read-only, or permission is lost, while a stage is at work."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash import scenarios
from tests.crash.scenarios import Scenario
from tests.crash.shim import Strike
from tests.crash.world import Ended, Warm, World
from tests.power.disks import Disk, need_disks, run

SCENARIOS = ("fresh", "replacement", "rerun")
BLOCK = 4096
_CHANGING_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
# From no room at all to more than enough, and every single one around the point where the stage just fits.
COARSE_STEPS = 12
FINE_STEPS = 16


@dataclass(frozen=True)
class Room:
    """What a disk has too little of, and how to take all but a little of it away."""

    where: Path
    counted: str
    unit: int

    def left(self) -> int:
        status = os.statvfs(self.where)
        return status.f_favail if self.counted == "inodes" else status.f_bavail * status.f_frsize // self.unit

    @contextmanager
    def only(self, left: int) -> Iterator[None]:
        """Leave just so much of it."""
        filler = self.where / "filler"
        filler.mkdir()
        try:
            self._fill(filler, left)
            yield
        finally:
            for path in filler.iterdir():
                path.unlink()
            filler.rmdir()

    def _fill(self, filler: Path, left: int) -> None:
        at_once = self.left()
        while (surplus := self.left() - left) > 0:
            path = filler / f"{surplus} {at_once}"
            path.touch()
            if self.counted == "blocks" and not self._allocate(path, at_once := min(at_once, surplus)):
                # The list of its pieces takes room too, where what is free lies here and there.
                at_once = max(1, at_once // 2)

    def _allocate(self, path: Path, blocks: int) -> bool:
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, blocks * self.unit)
            except OSError as error:
                if error.errno != errno.ENOSPC or blocks == 1:
                    raise
                return False
        return True


@pytest.fixture(params=["blocks of ext4", "blocks of tmpfs", "inodes of tmpfs"])
def room(request: pytest.FixtureRequest, here: Path) -> Iterator[Room]:
    counted, _, kind = request.param.partition(" of ")
    need_disks(*(["mkfs.ext4"] if kind == "ext4" else []))
    if kind == "ext4":
        disk = Disk.make(kind, here, size=16 << 20)
        with disk.mounted() as where:
            yield Room(where, counted, BLOCK)
        return
    where = here / "tmpfs"
    where.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=16m,nr_inodes=500", "none", where)
    try:
        yield Room(where, counted, BLOCK)
    finally:
        run("umount", where)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_full_disk_changes_nothing_and_the_next_run_goes_on(
    name: str, room: Room, warm: Warm, sources: Path, count_states: Callable[[str, int], None]
) -> None:
    scenario = scenarios.prepare(name, World(warm, room.where / "template", sources))
    needed = _room_needed(scenario, room)
    levels = sorted({*range(0, needed, needed // COARSE_STEPS + 1), *range(max(0, needed - FINE_STEPS), needed + 3)})
    found, messages, reused = [], set(), 0
    for left in levels:
        with scenario.world.copy(room.where / str(left)) as world:
            with room.only(left):
                ended = world.run(scenario.job.name, **scenario.job.arguments)
                found += [f"{left} left: {what}" for what in _violations(scenario, world, ended)]
            again = world.run(scenario.job.name, **scenario.job.next_try())
            found += [f"{left} left, then: {what}" for what in scenario.expected.violations_after_retry(world.target)]
            assert again.result, again
            messages.add(_CHANGING_NAME.sub("*", ended.message.replace(str(world.root), "")))
            reused += again.result["counts"]["reused"]
    count_states(f"full disk, {room.counted}", len(levels))
    assert not found, "\n".join(found)
    assert "" in messages, "it never fitted"
    assert len(messages) >= 4, f"hardly any call met a full disk: {messages}"
    assert any("/tree/_dirops" in message for message in messages), f"never full while sealing: {messages}"
    assert reused


def _room_needed(scenario: Scenario, room: Room) -> int:
    """The least with which the stage commits, by halving."""
    too_little, enough = -1, 400
    while enough - too_little > 1:
        middle = (too_little + enough) // 2
        with scenario.world.copy(room.where / "needed") as world, room.only(middle):
            fits = world.run(scenario.job.name, **scenario.job.arguments).result is not None
        too_little, enough = (too_little, middle) if fits else (middle, enough)
    return enough


def _violations(scenario: Scenario, world: World, ended: Ended) -> Iterator[str]:
    yield from scenario.expected.violations_after_crash(world.target)
    if ended.result is None:
        if "StorageError" not in ended.families:
            yield f"it failed with {ended}"
        if str(world.root) not in ended.message or "No space left on device" not in ended.message:
            yield f"the message does not say where, or why: {ended.message}"


@pytest.mark.timeout(900)
def test_a_disk_that_becomes_read_only_changes_nothing(
    here: Path, warm: Warm, sources: Path, count_states: Callable[[str, int], None]
) -> None:
    """As ext4 does after an error, with ``errors=remount-ro``."""
    need_disks("mkfs.ext4", "e2fsck", "losetup")
    disk = Disk.make("ext4", here)
    with disk.mounted():
        scenario = scenarios.prepare("replacement", World(warm, disk.where / "template", sources))
        points = _points_of(scenario)
    found, errors = [], set()
    for at in points:
        with disk.mounted():
            run("mount", "-o", "remount,errors=remount-ro", disk.where)
            world = scenario.world.copied(disk.where / str(at))
            run("sync", "-f", disk.where)
            errors.add(_meet_in_mid_run(scenario, world, at, lambda: _meet_an_error(disk)).error)
        run("e2fsck", "-p", "-f", disk.image, answers=(0, 1))  # 1: mended
        with disk.mounted():
            found += [f"at {at}: {what}" for what in _violations_then_retry(scenario, world)]
    count_states("ext4, read-only in mid-run", len(points))
    assert not found, "\n".join(found)
    # The swap may have been made just before, and cannot be synced any more.
    assert errors <= {"StorageError", "CommitUnknown", ""}
    assert "StorageError" in errors


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lost", ["day", ".", ".dirops/day", ".dirops/day/attempts"])
def test_permission_that_is_lost_half_way_changes_nothing(
    lost: str, here: Path, warm: Warm, sources: Path, count_states: Callable[[str, int], None]
) -> None:
    """A directory is made immutable, which stops root too."""
    need_disks("mkfs.ext4", "chattr")
    disk = Disk.make("ext4", here)
    found, errors = [], set()
    with disk.mounted():
        scenario = scenarios.prepare("replacement", World(warm, disk.where / "template", sources))
        points = _points_of(scenario)
        for at in points:
            with scenario.world.copy(disk.where / str(at)) as world:
                ended = _lose_permission(scenario, world, at, world.root / lost)
                errors.add(ended.error)
                if ended.error and str(world.root) not in ended.message:
                    found.append(f"at {at}: the message names no path: {ended.message}")
                found += [f"at {at}: {what}" for what in _violations_then_retry(scenario, world)]
    count_states("ext4, permission lost in mid-run", len(points))
    assert not found, "\n".join(found)
    assert errors <= {"StorageError", "TargetRefused", ""}
    assert "StorageError" in errors


def _lose_permission(scenario: Scenario, world: World, at: int, where: Path) -> Ended:
    """Make a directory immutable in mid-run, and give it back after, whatever it is called by then."""
    held: list[int] = []

    def make_immutable() -> None:
        held.append(os.open(where, os.O_RDONLY))
        run("chattr", "+i", where)

    try:
        return _meet_in_mid_run(scenario, world, at, make_immutable)
    finally:
        run("chattr", "-i", os.readlink(f"/proc/self/fd/{held[0]}"))
        os.close(held[0])


def _points_of(scenario: Scenario) -> range:
    with scenario.world.copy(scenario.world.root.with_name("count")) as world:
        calls = world.run(**scenario.job.arguments).calls
    return range(1, calls, max(1, calls // 12))


def _meet_in_mid_run(scenario: Scenario, world: World, at: int, accident: Callable[[], None]) -> Ended:
    """Stop a run before a call, let something happen, and let it go on."""
    pid = world.start(strike=Strike("stop-before", at), **scenario.job.arguments)
    assert world.warm.wait(pid).status == "stopped"
    accident()
    world.warm.go_on(pid)
    return world.warm.wait(pid)


def _violations_then_retry(scenario: Scenario, world: World) -> Iterator[str]:
    yield from scenario.expected.violations_after_crash(world.target)
    again = world.run(**scenario.job.next_try())
    if again.result is None:
        yield f"the next try failed: {again}"
    yield from (f"then: {what}" for what in scenario.expected.violations_after_retry(world.target))


def _meet_an_error(disk: Disk) -> None:
    loop = subprocess.check_output(["losetup", "-n", "-O", "NAME", "-j", disk.image], text=True).strip()
    Path("/sys/fs/ext4", Path(loop).name, "trigger_fs_error").write_text("on purpose")
