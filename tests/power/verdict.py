"""What is cut off from power, and what must hold afterwards, whatever the power was cut with."""

from __future__ import annotations

from typing import Any

from tests.crash.checker import look_as_reader
from tests.crash.scenarios import Job, Scenario
from tests.crash.world import World

SCENARIOS = ("fresh", "replacement", "replacement_plain", "rerun", "resume", "sharded")
SPOILED = {
    "no data sync": (
        "disk/durable.py",
        (
            "            os.fsync(descriptor)\n        except OSError as error:\n",
            "            pass\n        except OSError as error:\n",
        ),
    ),
    "no parent sync": (
        "places/directory/swap.py",
        ("        sync_directory(target.parent)\n        sync_directory(tree.parent)\n", "        pass\n"),
    ),
}
"""Modules, and lines of them with what comes instead: packages that a loss of power must convict."""


def violations(scenario: Scenario, world: World, *, is_committed: bool, next_run: dict[str, Any]) -> list[str]:
    """Look at what came back, let the next run go over it, and look again.

    :param is_committed: that success had been reported.
    """
    job, expected = scenario.job, scenario.expected
    found = [f"after the cut: {what}" for what in expected.violations_after_crash(world.target)]
    if is_committed and not shows_new(world, job):
        found.append("what was reported as committed is lost")
    again = world.run(job.name, **next_run)
    if again.result is None:
        return [*found, f"the next run failed: {again}"]
    return [*found, *(f"after the next run: {what}" for what in expected.violations_after_retry(world.target))]


def shows_new(world: World, job: Job) -> bool:
    sight = look_as_reader(world.target)
    return sight is not None and sight.content == job.content(world) and not sight.findings
