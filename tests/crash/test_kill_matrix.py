"""A process is killed before and after every file-system call of a whole stage; then the stage runs again.

After the kill the target holds the old snapshot or the new one, whole. After the retry it holds the new one,
nothing is left over, and what the dead try had finished was not made again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash import scenarios
from tests.crash.checker import fingerprint_of, finished_inputs, look_as_reader
from tests.crash.scenarios import Scenario
from tests.crash.shim import Strike
from tests.crash.world import Ended, Warm, World

ORDINARY_POINTS = 32
RETRIES = ("next try", "new run")


@pytest.fixture(params=scenarios.names())
def scenario(request: pytest.FixtureRequest, warm: Warm, here: Path, sources: Path) -> Scenario:
    return scenarios.prepare(request.param, World(warm, here / "template", sources))


def test_a_kill_at_any_call_leaves_one_whole_snapshot_and_the_retry_commits(
    scenario: Scenario, here: Path, is_full: bool, count_points: Callable[[str, int], None]
) -> None:
    points = _points(_count_calls(scenario, here / "count"), is_full)
    found, struck = [], 0
    for number, (strike, retry) in enumerate(points):
        with scenario.world.copy(here / str(number)) as world:
            was_struck, violations = _experiment(scenario, world, strike, retry)
        struck += was_struck
        found += [f"{scenario.name}, {strike}, then {retry}: {violation}" for violation in violations]
    count_points("kill matrix", struck)
    assert not found, "\n".join(found)
    assert struck >= 0.9 * len(points)


def _points(calls: int, is_full: bool) -> list[tuple[Strike, str]]:
    every = [
        (Strike(what, at), retry)
        for at in range(1, calls + 1)
        for what in ("kill-before", "kill-after")
        for retry in RETRIES
    ]
    return every if is_full else random.Random(calls).sample(every, ORDINARY_POINTS)


def _count_calls(scenario: Scenario, root: Path) -> int:
    with scenario.world.copy(root) as world:
        ended = world.run(scenario.job.name, **scenario.job.arguments)
        assert ended.result, ended
        assert scenario.expected.violations_after_retry(world.target) == []
    return ended.calls


def _experiment(scenario: Scenario, world: World, strike: Strike, retry: str) -> tuple[bool, list[str]]:
    job, expected = scenario.job, scenario.expected
    ended = world.run(job.name, strike=strike, **job.arguments)
    if ended.status != "killed":
        # The pool's threads make the number of calls vary a little.
        return False, [] if ended.result else [f"the struck run ended with {ended}"]
    after_crash = [f"after the kill: {violation}" for violation in expected.violations_after_crash(world.target)]
    after_crash += _reader_disagrees(world)
    finished = {} if job.makes_anew or job.name != "stage" else finished_inputs(world.target)
    again = world.run(job.name, **(job.next_try() if retry == "next try" else job.new_run()))
    if again.result is None:
        return True, [*after_crash, f"the retry failed: {again}"]
    after_retry = [f"after the retry: {violation}" for violation in expected.violations_after_retry(world.target)]
    if job.name == "stage" and retry == "next try" and again.result["outcome"] != "committed":
        after_retry.append(f"the retry did not report the commit of its run, but {again.result['outcome']!r}")
    if job.makes_anew and retry == "next try" and again.result["snapshot"] == expected.old.snapshot:
        after_retry.append("the retry did not make anew what the user had cleared")
    if finished and (twice := finished.get(fingerprint_of(world.target), set()) & {*again.result["computed"]}):
        after_retry.append(f"finished before, and computed again: {sorted(twice)}")
    return True, [*after_crash, *after_retry, *_reader_disagrees(world)]


def _reader_disagrees(world: World) -> list[str]:
    """Our own reader against the checker, where the swap was cut off and only the intent says what is current."""
    if world.target.exists() or (sight := look_as_reader(world.target)) is None:
        return []
    read: Ended = world.run("read")
    return [] if read.result == sight.content else [f"our reader saw {read}"]
