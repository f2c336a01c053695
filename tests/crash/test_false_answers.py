"""A rename that does not happen and says it did, or happens and says it did not, as over NFS when a reply is lost.

What lies at the target decides what is reported, never what the call answered.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash import scenarios
from tests.crash.checker import look
from tests.crash.scenarios import Scenario
from tests.crash.shim import Call, Strike, read_trace
from tests.crash.world import Warm, World

SCENARIOS = ("fresh", "empty_directory", "replacement", "replacement_plain", "unmanaged", "unmanaged_plain", "resume")
RENAME = "rename"
ANSWERS = (Strike("lie"), Strike("fail-after", errno=errno.EIO), Strike("fail-after", errno=errno.ESTALE))


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest, warm: Warm, here: Path, sources: Path) -> Scenario:
    return scenarios.prepare(request.param, World(warm, here / "template", sources))


def test_whatever_a_rename_answers_what_is_there_is_reported(
    scenario: Scenario, here: Path, count_points: Callable[[str, int], None]
) -> None:
    found, number = [], 0
    for at, call in _renames_in(scenario, here / "count"):
        for answer in ANSWERS:
            strike = Strike(answer.what, at, RENAME, errno=answer.errno)
            with scenario.world.copy(here / str(number)) as world:
                found += [
                    f"{scenario.name}, {strike} ({call.path}): {what}" for what in _violations(scenario, world, strike)
                ]
            number += 1
    count_points("false answers", number)
    assert not found, "\n".join(found)
    assert number


def _renames_in(scenario: Scenario, root: Path) -> list[tuple[int, Call]]:
    """The renames of the target, each with its number among all renames: how many syncs come before varies."""
    trace = root.with_suffix(".trace")
    with scenario.world.copy(root) as world:
        assert world.run(trace=trace, **scenario.job.arguments).result
        renames = [call for call in read_trace(trace) if RENAME in call.name]
        return [(at, call) for at, call in enumerate(renames, 1) if os.fspath(world.target) in (call.path, call.other)]


def _violations(scenario: Scenario, world: World, strike: Strike) -> list[str]:
    before = look(world.target)
    ended = world.run(strike=strike, **scenario.job.arguments)
    after = look(world.target)
    found = scenario.expected.violations_after_crash(world.target)
    if ended.result and (after is None or after.snapshot != ended.result["snapshot"]):
        found.append(f"it reported {ended.result['snapshot']}, and {after and after.snapshot} is there")
    if ended.result is None and "DiropsError" not in ended.families:
        found.append(f"it ended with {ended}")
    if ended.result is None and after != before and after is not None and strike.what != "lie":
        found.append(f"it failed with {ended.error}, and yet the target is another")
    again = world.run(**scenario.job.next_try())
    if again.result is None or again.result["outcome"] != "committed":
        found.append(f"the next try: {again}")
    return [*found, *(f"after it: {what}" for what in scenario.expected.violations_after_retry(world.target))]
