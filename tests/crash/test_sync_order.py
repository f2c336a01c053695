"""What was synced before what, read from the trace of whole stages: needs no disk, no root and no luck.

Before the swap, every byte and every name of the new tree is durable; before the stage ends, so are the swap itself
and the fence. So a sync that is left out, or comes too late, is seen even where no power can be cut.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash import scenarios
from tests.crash.scenarios import Scenario
from tests.crash.shim import Call, read_trace
from tests.crash.world import Warm, World

SCENARIOS = (
    "fresh",
    "replacement",
    "replacement_plain",
    "unmanaged",
    "unmanaged_plain",
    "rerun",
    "resume",
    "cleared",
    "sharded",
)
WRITES = frozenset({"write", "writev", "pwrite", "pwrite64", "copy_file_range", "sendfile64"})
# What gives a directory a name that it did not have, or takes one away.
MAKES = frozenset({"open", "mkdir", "mkdirat", "link", "linkat", "rename", "renameat", "renameat2"})


@dataclass
class Disk:
    """Which bytes and which names a power loss would take, at any point of a trace.

    :param bytes_lost: files that were written and not synced since.
    :param names_lost: directories whose names were changed and not synced since.
    """

    bytes_lost: set[str] = field(default_factory=set)
    names_lost: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)

    def does(self, call: Call) -> None:
        if call.answer < 0:
            return
        if call.name in WRITES:
            self.bytes_lost.add(call.path)
        elif call.name == "fsync":
            self.bytes_lost.discard(call.path)
            self.names_lost.discard(call.path)
        elif call.name in MAKES and call.path not in self.known:
            self._names(call)

    def _names(self, call: Call) -> None:
        paths = [path for path in (call.path, call.other) if path]
        self.names_lost |= {os.path.dirname(path) for path in paths}
        if call.name == "open":
            self.known.add(call.path)
        elif call.name.startswith("rename"):
            self.bytes_lost = {_moved(path, *paths) for path in self.bytes_lost}
            self.names_lost |= {_moved(path, *paths) for path in self.names_lost}

    def lost_beneath(self, path: str) -> set[str]:
        return {lost for lost in self.bytes_lost | self.names_lost if lost == path or lost.startswith(f"{path}/")}


def _moved(path: str, source: str, target: str) -> str:
    return target + path[len(source) :] if path == source or path.startswith(f"{source}/") else path


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest, warm: Warm, here: Path, sources: Path) -> Scenario:
    return scenarios.prepare(request.param, World(warm, here / "template", sources))


def test_everything_is_synced_before_what_relies_on_it(
    scenario: Scenario, here: Path, count_points: Callable[[str, int], None]
) -> None:
    trace = here / "trace"
    with scenario.world.copy(here / "copy") as world:
        assert world.run(scenario.job.name, trace=trace, **scenario.job.arguments).result
        calls = read_trace(trace)
        found = list(_violations(calls, world))
    count_points("calls checked for the order of syncs", len(calls))
    assert not found, "\n".join(found)


def _violations(calls: list[Call], world: World) -> Iterator[str]:
    disk, swaps = Disk(), 0
    target, control = os.fspath(world.target), os.fspath(world.control)
    for call in calls:
        if call.answer == 0 and call.name.startswith("rename") and call.other == target:
            swaps += 1
            yield from (f"swapped before {lost} was synced" for lost in sorted(_needed_by(disk, call.path, control)))
        if call.name == "rename" and call.path in disk.bytes_lost:
            yield f"renamed before its bytes were synced: {call.path}"
        disk.does(call)
    if swaps != 1:
        yield f"swapped {swaps} times"
    for directory in (os.path.dirname(target), os.path.dirname(control)):
        if directory in disk.names_lost:
            yield f"ended before the names in {directory} were synced"


def _needed_by(disk: Disk, tree: str, control: str) -> set[str]:
    """What a swap relies on, and a power loss would take: the tree, the fence, and the fence's name."""
    return disk.lost_beneath(tree) | disk.lost_beneath(f"{control}/fence.json") | disk.names_lost & {control}


def test_the_model_of_the_disk_loses_what_was_not_synced() -> None:
    def call(name: str, path: str, other: str = "") -> Call:
        return Call(1, 1, name, path, other, 0, 0)

    disk = Disk()
    for done in (call("open", "/t/a"), call("write", "/t/a"), call("fsync", "/t"), call("rename", "/t", "/u")):
        disk.does(done)
    assert disk.bytes_lost == {"/u/a"}
    assert disk.names_lost == {"/"}
    disk.does(call("fsync", "/u/a"))
    assert not disk.lost_beneath("/u")
