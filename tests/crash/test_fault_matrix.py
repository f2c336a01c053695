"""The file system refuses a call of a stage, or of upkeep: once, from then on, or that kind of call from then on.

It commits, or fails with an error that says where; the target is the old snapshot or the new one, whole; and
the next run, with the fault gone, commits and leaves nothing over. A failed fsync is never repeated, and nothing is
committed after one.
"""

from __future__ import annotations

import errno
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash import scenarios
from tests.crash.scenarios import Scenario
from tests.crash.shim import Call, Strike, read_trace
from tests.crash.world import Ended, Warm, World

POINTS_PER_SITE = 2
SCENARIOS = (
    "fresh",
    "replacement",
    "replacement_plain",
    "unmanaged",
    "unmanaged_plain",
    "rerun",
    "resume",
    "retention",
    "rollback",
    "repair",
    "removal_let_through",
    "sharded",
    "shards_gathered",
    "hold",
    "publish",
    "publish_plain",
    "reject",
)
WRITING = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT, errno.ESTALE)
READING = (errno.EIO, errno.EACCES, errno.ESTALE)
_CHANGING_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|unmanaged-\w+|(?<=\.json\.)[0-9a-f]{16}(?=\.new)")


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest, warm: Warm, here: Path, sources: Path) -> Scenario:
    return scenarios.prepare(request.param, World(warm, here / "template", sources))


@pytest.mark.timeout(3600)
def test_a_refused_call_never_shows_and_the_next_run_commits(
    scenario: Scenario, here: Path, is_full: bool, count_points: Callable[[str, int], None]
) -> None:
    sites = _strikes(_calls_of(scenario, here / "count"), os.fspath(here))
    points = [strike for site in sites for strike in (sites[site] if is_full else _some(sites[site], site))]
    found = []
    for number, strike in enumerate(points):
        with scenario.world.copy(here / str(number)) as world:
            found += [f"{scenario.name}, {strike}: {violation}" for violation in _experiment(scenario, world, strike)]
    count_points("fault matrix", len(points))
    count_points("distinct call sites of the fault matrix", len(sites))
    assert not found, "\n".join(found)


def _strikes(calls: list[Call], here: str) -> dict[str, list[Strike]]:
    """By call site: what is called on which file, whatever the attempts and snapshots are named."""
    sites: dict[str, list[Strike]] = {}
    nth: dict[str, int] = {}
    for call in calls:
        nth[call.name] = nth.get(call.name, 0) + 1
        site = _CHANGING_NAME.sub("*", f"{call.name} {call.path} {call.other}".replace(here, ""))
        sites.setdefault(site, []).extend(_strikes_at(call, nth[call.name]))
    return sites


def _strikes_at(call: Call, nth: int) -> Iterator[Strike]:
    for number in {"open-read": READING, "flock": (*WRITING, errno.ENOLCK)}.get(call.name, WRITING):
        yield Strike("fail", call.number, errno=number)
        yield Strike("fail-on", call.number, errno=number)
        yield Strike("fail-on", nth, f"{call.name} ", number)
    if call.name != "open-read":
        yield Strike("fail", call.number, errno=errno.EINTR)


def _some(strikes: list[Strike], site: str) -> list[Strike]:
    return random.Random(site).sample(strikes, POINTS_PER_SITE)


def _calls_of(scenario: Scenario, root: Path) -> list[Call]:
    trace = root.with_suffix(".trace")
    with scenario.world.copy(root) as world:
        assert world.run(scenario.job.name, trace=trace, reads=True, **scenario.job.arguments).result
    return read_trace(trace)


def _verdict(ended: Ended, world: World) -> Iterator[str]:
    """What is wrong with how a struck run ended."""
    if ended.result is not None:
        return
    if "DiropsError" not in ended.families:
        yield f"ended with {ended}"
    elif str(world.root) not in ended.message:
        yield f"the message names no path: {ended.message}"


def _experiment(scenario: Scenario, world: World, strike: Strike) -> list[str]:
    trace = world.root.with_suffix(".trace")
    ended = world.run(scenario.job.name, strike=strike, trace=trace, reads=True, **scenario.job.arguments)
    found = [*_verdict(ended, world), *scenario.expected.violations_after_crash(world.target)]
    found += _fsync_violations(read_trace(trace), world.target)
    again = world.run(scenario.job.name, **scenario.job.new_run())
    if again.result is None:
        return [*found, f"the next run failed: {again}"]
    after = scenario.expected.violations_after_retry(world.target)
    return [*found, *(f"after the next run: {violation}" for violation in after)]


def _fsync_violations(calls: list[Call], target: Path) -> Iterator[str]:
    lost: set[str] = set()
    for call in calls:
        is_swap = call.name.startswith("rename") and str(target) in (call.path, call.other)
        if call.name == "fsync" and call.path in lost:
            yield f"an fsync that had failed was repeated: {call.path}"
        if is_swap and lost and call.answer == 0:
            yield f"swapped after the failed fsync of {sorted(lost)}"
        if call.name == "fsync" and call.errno not in (0, errno.EINTR):
            lost.add(call.path)


def test_a_trace_shows_a_repeated_fsync_and_a_swap_after_a_failed_one(tmp_path: Path) -> None:
    def call(number: int, name: str, path: str, errno: int = 0, other: str = "") -> Call:
        return Call(number, number, name, path, other, -1 if errno else 0, errno)

    target = os.fspath(tmp_path)
    calls = [call(1, "fsync", "/a", errno.EIO), call(2, "fsync", "/a"), call(3, "rename", "/tree", 0, target)]
    assert len(list(_fsync_violations(calls, tmp_path))) == 2
    assert not list(_fsync_violations(calls[1:], tmp_path))
