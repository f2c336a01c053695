"""A process is stopped at a file-system call, a successor goes to work, and the process wakes up again.

If the successor is the next try of its run, the zombie never commits; if it is another run, one of the two does.
Whoever wins, the target is one whole snapshot, and the next run finds everything in order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash import scenarios
from tests.crash.checker import Sight, look
from tests.crash.scenarios import TWO, Scenario
from tests.crash.shim import Strike
from tests.crash.world import Ended, Warm, World

ORDINARY_POINTS = 14
SCENARIOS = (
    "fresh",
    "replacement",
    "replacement_plain",
    "unmanaged",
    "rerun",
    "resume",
    "take_over",
    "cleared",
    "sharded",
    "shards_at_work",
    "shards_gathered",
)
SUCCESSORS = ("next try", "new run")
# A stopped process may hold the lock; whoever waits for it gives up after so long.
PATIENCE = {"lock_timeout": 0.2}


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest, warm: Warm, here: Path, sources: Path) -> Scenario:
    return scenarios.prepare(request.param, World(warm, here / "template", sources))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("meets_commit", [False, True], ids=["after its successor", "while its successor commits"])
def test_a_zombie_that_wakes_commits_nothing_and_damages_nothing(
    meets_commit: bool, scenario: Scenario, here: Path, is_full: bool, count_points: Callable[[str, int], None]
) -> None:
    found, woken, refused = [], 0, 0
    for number, (strike, successor) in enumerate(_points(scenario, here / "count", is_full)):
        with scenario.world.copy(here / str(number)) as world:
            zombie = _Zombie(scenario, world, strike, successor)
            violations = zombie.violations(meets_commit)
            found += [f"{scenario.name}, {strike}, then {successor}: {violation}" for violation in violations]
            woken, refused = woken + zombie.was_stopped, refused + zombie.was_refused
    count_points("zombies woken", woken)
    count_points("zombies refused: superseded, in conflict, or the lock not to be had", refused)
    assert not found, "\n".join(found)
    assert refused or not scenario.job.commits


def _points(scenario: Scenario, root: Path, is_full: bool) -> list[tuple[Strike, str]]:
    with scenario.world.copy(root) as world:
        calls = world.run(scenario.job.name, **scenario.job.arguments).calls
    every = [
        (Strike(what, at), successor)
        for at in range(1, calls + 1)
        for what in ("stop-before", "stop-after")
        # Another run has nothing to make anew, so what it does is no news to the zombie.
        for successor in SUCCESSORS[: 1 if scenario.job.makes_anew else 2]
    ]
    return every if is_full else random.Random(calls).sample(every, ORDINARY_POINTS)


class _Zombie:
    """One process that is stopped and woken again, and what came of it and of its successor."""

    def __init__(self, scenario: Scenario, world: World, strike: Strike, successor: str) -> None:
        self._scenario, self._world, self._strike = scenario, world, strike
        is_same_run = successor == "next try"
        job = scenario.job
        self._other_run = job.whole or job.name
        name, arguments = (job.name, job.next_try()) if is_same_run else (self._other_run, job.other_run())
        self._successor = {"job": name} | arguments | PATIENCE
        self.was_stopped = self.was_refused = False

    def violations(self, meets_commit: bool) -> Iterator[str]:
        before = look(self._world.target)
        job = self._scenario.job
        pid = self._world.start(job.name, strike=self._strike, **job.arguments | PATIENCE)
        ended = self._world.warm.wait(pid)
        if ended.status != "stopped":
            # The pool's threads make the number of calls vary a little.
            yield from () if ended.result else [f"the run that was to be stopped ended with {ended}"]
            return
        self.was_stopped = True
        if meets_commit:
            zombie, successor = self._wake_in_commit(pid)
        else:
            successor = self._world.run(**self._successor)
            zombie = self._wake(pid)
        self.was_refused = zombie.result is None
        yield from self._between_the_two(before, successor, zombie)
        yield from self._after_the_next_run()

    def _wake(self, pid: int) -> Ended:
        self._world.warm.go_on(pid)
        return self._world.warm.wait(pid)

    def _wake_in_commit(self, pid: int) -> tuple[Ended, Ended]:
        """Wake it while its successor, with the lock, is about to swap; then let that go on."""
        other = self._world.start(strike=Strike("stop-before", 1, f"/tree {self._world.target}"), **self._successor)
        successor = self._world.warm.wait(other)
        zombie = self._wake(pid)
        return zombie, self._wake(other) if successor.status == "stopped" else successor

    def _between_the_two(self, before: Sight | None, successor: Ended, zombie: Ended) -> Iterator[str]:
        if not _ended_well(successor, "TargetBusy"):
            yield f"the successor: {successor}"
        if not _ended_well(zombie, "TargetBusy", "AttemptSuperseded", "PlanSuperseded", "TargetConflict"):
            yield f"the zombie: {zombie}"
        made = [snapshot for ended in (successor, zombie) if (snapshot := _committed(ended))]
        there = look(self._world.target)
        if not made:
            yield f"none committed: {successor}, {zombie}"
        elif there is None or there.snapshot not in made:
            yield f"reported as committed: {made}; at the target: {there and there.snapshot}"
        elif len({*made}) > 1:
            yield f"both committed, on {before and before.snapshot} and {there.base}: {made}"

    def _after_the_next_run(self) -> Iterator[str]:
        # A plan that another run was quicker than stays, until its own run plans again.
        run = {"run": "last", "try_number": 1} if self._other_run == "stage" else {"run": TWO["run"], "try_number": 9}
        again = self._world.run(self._other_run, **self._scenario.job.arguments | run | {"first_try": 1})
        if again.result is None:
            yield f"the next run failed: {again}"
        yield from self._scenario.expected.violations_after_retry(self._world.target)


def _ended_well(ended: Ended, *errors: str) -> bool:
    return ended.result is not None or ended.error in errors


def _committed(ended: Ended) -> str | None:
    return ended.result["snapshot"] if ended.result and ended.result["outcome"] == "committed" else None
