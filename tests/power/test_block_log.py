"""The power goes after any block that a whole stage sends to its disk, and takes any of those that were not flushed.

Every write and flush of the file system is logged while the stage runs to its end. The disk is then rebuilt as it was
at some point of the log: with all that was sent, or without some of the writes since the last flush, or without some
blocks of them, which is what disks do that reorder and tear. Each state is mounted, judged, and goes through a run.
"""

from __future__ import annotations

import filecmp
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash import scenarios
from tests.crash.scenarios import Scenario
from tests.crash.world import Warm, World
from tests.power.block_log import BLOCK, Log, Replay, State, Write, flushed, states_of
from tests.power.disks import run
from tests.power.logged_disk import LoggedDisk, need_log
from tests.power.reboots import forget_boot
from tests.power.verdict import SCENARIOS, SPOILED, violations

ORDINARY_STATES = 20


@dataclass(frozen=True)
class Recorded:
    """A stage that reported success, and what its file system sent to the disk.

    :param begun: how many entries the log had before the stage.
    :param safe: how many of them had been flushed when it reported success.
    """

    scenario: Scenario
    logged: LoggedDisk
    log: Log
    begun: int
    safe: int

    @classmethod
    def of(cls, name: str, logged: LoggedDisk, warm: Warm, sources: Path) -> Recorded:
        with logged.mounted() as where:
            scenario = scenarios.prepare(name, World(warm, where / "world", sources))
            run("sync", "-f", where)
            begun = len(logged.read_log())
            ended = scenario.world.run(scenario.job.name, **scenario.job.arguments)
            reported = len(logged.read_log())
        assert ended.result, ended
        log = logged.read_log()
        return cls(scenario, logged, log, begun, flushed(log, reported))

    def choose(self, wanted: int) -> list[State]:
        """So many states, or all for 0; always the first, the last, and the least that may be left of the success."""
        states = states_of(self.log, self.begun)
        ends = {State(self.begun), State(self.safe), State(len(self.log))}
        others = [state for state in states if state not in ends]
        if 0 < wanted < len(states):
            others = random.Random(wanted).sample(others, max(0, wanted - len(ends)))
        return sorted([*ends, *others])

    def convictions(self, states: list[State], kept: Path) -> dict[State, list[str]]:
        """Rebuild each state, mount it and judge it; the last disk that was found wanting is kept, to be looked at."""
        replay, disk, found = Replay(self.log, self.logged.blank), self.logged.disk, {}
        for number, state in enumerate(states):
            replay.rebuild(state, disk.image)
            try:
                with disk.mounted():
                    violated = self._judge(state, is_new_run=number % 2 == 1)
            except Exception as error:
                violated = [f"it cannot be judged: {error!r}"]
            if violated:
                found[state] = violated
                replay.rebuild(state, kept)
        return found

    def _judge(self, state: State, *, is_new_run: bool) -> list[str]:
        job, world = self.scenario.job, self.scenario.world
        forget_boot(world.target)
        next_run = job.new_run() if is_new_run else job.next_try()
        return violations(self.scenario, world, is_committed=state.sent >= self.safe, next_run=next_run)


@pytest.fixture
def logged(kind: str, here: Path) -> LoggedDisk:
    need_log()
    return LoggedDisk.make(kind, here)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", SCENARIOS)
def test_any_blocks_that_were_not_flushed_are_lost_and_one_whole_snapshot_is_there(
    name: str,
    logged: LoggedDisk,
    warm: Warm,
    sources: Path,
    tmp_path: Path,
    states_wanted: int | None,
    count_states: Callable[[str, int], None],
) -> None:
    recorded = Recorded.of(name, logged, warm, sources)
    assert any(state.seed for state in recorded.choose(0)), "every write was flushed at once: nothing can be lost"
    states = recorded.choose(ORDINARY_STATES if states_wanted is None else states_wanted)
    kept = tmp_path / "violated.img"
    convicted = recorded.convictions(states, kept)
    count_states(f"{logged.disk.kind}, block log, {name}", len(states))
    found = [f"{name}, {state} of {len(recorded.log)}: {what}" for state in convicted for what in convicted[state]]
    assert not found, "\n".join([*found, f"The last of these disks is {kept}"])


@pytest.mark.parametrize("what", SPOILED)
def test_a_package_without_its_syncs_is_convicted(
    what: str,
    logged: LoggedDisk,
    spoil: Callable[..., Warm],
    sources: Path,
    tmp_path: Path,
    count_states: Callable[[str, int], None],
) -> None:
    """The harness can fail: it catches a package that does not sync as it should."""
    module, line = SPOILED[what]
    recorded = Recorded.of("fresh", logged, spoil(module, line), sources)
    convicted = recorded.convictions(recorded.choose(ORDINARY_STATES), tmp_path / "violated.img")
    count_states(f"{logged.disk.kind}, block log, {what}, convicted", len(convicted))
    assert convicted


def test_the_log_is_all_that_reached_the_disk(logged: LoggedDisk, here: Path) -> None:
    """And a synced file is among what was flushed."""
    with logged.mounted() as where, (where / "file").open("wb") as file:
        file.write(b"synced bytes")
        file.flush()
        os.fsync(file.fileno())
        log = logged.read_log()
        assert any(b"synced bytes" in entry.data for entry in log[: flushed(log, len(log))] if entry)
    log = logged.read_log()
    Replay(log, logged.blank).rebuild(State(len(log)), here / "replayed.img")
    assert filecmp.cmp(logged.disk.image, here / "replayed.img", shallow=False)


def test_a_write_is_torn_where_the_blocks_of_the_disk_meet() -> None:
    write = Write(BLOCK - 512, bytes(range(256)) * 40)
    pieces = list(write.blocks())
    assert [piece.offset for piece in pieces] == [BLOCK - 512, BLOCK, 2 * BLOCK, 3 * BLOCK]
    assert b"".join(piece.data for piece in pieces) == write.data
