"""What is struck: each scenario is a function that prepares a world and names the job that will be killed in it.

To add one, write a function under ``@scenario``: it gets a fresh world, runs what must have happened before, and
returns the :class:`Job`. The kill, fault and zombie matrices then strike it at every call.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.crash.checker import HEADER, Content, Expected
from tests.crash.shim import Strike
from tests.crash.world import World, made_of

LONG_AGO = 1_000_000_000


@dataclass(frozen=True)
class Job:
    """A job that is struck, and its retries.

    :param arguments: what the job is called with.
    :param name: a function of :mod:`tests.crash.jobs`.
    :param makes: the source and the mark that tell what is at the target in the end.
    :param expired: retired snapshots that this job may delete.
    :param makes_anew: that the next try must commit a snapshot, even one with the same content.
    :param commits: that it makes a snapshot, and does not just find one.
    :param whole: for a stage in shards, what does all of it in one call.
    :param decided: held snapshots that this job publishes or rejects; others stay.
    """

    arguments: dict[str, Any]
    name: str = "stage"
    makes: dict[str, Any] = field(default_factory=dict)
    expired: frozenset[str] = frozenset()
    makes_anew: bool = False
    commits: bool = True
    whole: str = ""
    decided: frozenset[str] = frozenset()

    def next_try(self) -> dict[str, Any]:
        """The next try of the same logical run."""
        return self.arguments | {"try_number": self.arguments.get("try_number", 1) + 1}

    def new_run(self) -> dict[str, Any]:
        """Another run of the same stage. A plan waits for its own run, so there the next try takes it up."""
        return self.next_try() if self.whole else self.other_run()

    def other_run(self) -> dict[str, Any]:
        """Another run of the same stage, which leaves alone what waits for this one."""
        return self.arguments | {"run": "another", "try_number": 1}

    def content(self, world: World) -> Content:
        makes = self.makes or self.arguments
        return made_of(world.sources / makes["source"], makes["mark"])


@dataclass(frozen=True)
class Scenario:
    """A scenario, prepared.

    :param world: what every experiment gets a copy of.
    """

    name: str
    world: World
    job: Job
    expected: Expected


ONE = {"source": "one", "mark": "A", "run": "first"}
TWO = {"source": "two", "mark": "B", "run": "second"}
FEW = {"source": "few", "mark": "A", "run": "second", "max_removed": 0}
REPLACED = "renameat2"

_scenarios: dict[str, tuple[Callable[[World], Job], bool]] = {}


def scenario(prepare: Callable[[World], Job]) -> Callable[[World], Job]:
    """Register a scenario for file systems that can exchange names."""
    _scenarios[prepare.__name__] = prepare, False
    return prepare


def also_plain(prepare: Callable[[World], Job]) -> Callable[[World], Job]:
    """Register it too for file systems that cannot, where a swap takes two renames."""
    _scenarios[f"{prepare.__name__}_plain"] = prepare, True
    return prepare


def only_plain(prepare: Callable[[World], Job]) -> Callable[[World], Job]:
    _scenarios[prepare.__name__] = prepare, True
    return prepare


def names() -> list[str]:
    return list(_scenarios)


def prepare(name: str, world: World) -> Scenario:
    """Prepare a scenario in an empty world."""
    function, plain = _scenarios[name]
    world = replace(world, plain=plain)
    world.root.mkdir(parents=True)
    job = function(world)
    return Scenario(name, world, job, Expected.of(world.target, job.content(world), job.expired, job.decided))


@scenario
def fresh(world: World) -> Job:
    return Job(ONE)


@scenario
@also_plain
def replacement(world: World) -> Job:
    world.commit(**ONE)
    world.target.chmod(0o750)
    return Job(TWO)


@scenario
@also_plain
def unmanaged(world: World) -> Job:
    _make_bare(world.target)
    return Job(TWO | {"may_replace": ["unmanaged"]})


@scenario
def empty_directory(world: World) -> Job:
    world.target.mkdir()
    return Job(ONE)


@scenario
@also_plain
def rerun(world: World) -> Job:
    """Most outputs are carried over."""
    world.commit(**ONE)
    return Job(TWO | {"mark": "A"})


@scenario
def resume(world: World) -> Job:
    """The try before died in mid-stage, and had not synced what the next try takes from it."""
    world.commit(**ONE)
    world.crash(Strike("kill-after", 5, "journal.jsonl"), **TWO, durability="process")
    return Job(TWO | {"try_number": 2})


@scenario
def resume_sealed(world: World) -> Job:
    """The try before died with everything done but the swap."""
    world.commit(**ONE)
    world.crash(Strike("kill-before", 1, REPLACED), **TWO)
    return Job(TWO | {"try_number": 2})


@scenario
def resume_unmanaged(world: World) -> Job:
    _make_bare(world.target)
    world.crash(Strike("kill-before", 1, REPLACED), **TWO, may_replace=["unmanaged"])
    return Job(TWO | {"try_number": 2, "may_replace": ["unmanaged"]})


@scenario
def take_over(world: World) -> Job:
    """The try before committed and died before it could say so, the old snapshot still in its hands."""
    world.commit(**ONE)
    world.crash(Strike("kill-after", 1, REPLACED), **TWO)
    return Job(TWO | {"try_number": 2}, commits=False)


@scenario
def swapped_out_unmanaged(world: World) -> Job:
    """As take_over, and what the dead try holds was never ours; then there is new work."""
    _make_bare(world.target)
    world.crash(Strike("kill-after", 1, REPLACED), **ONE, may_replace=["unmanaged"])
    return Job(TWO)


@scenario
def swapped_out_then_new_work(world: World) -> Job:
    world.commit(**ONE)
    world.crash(Strike("kill-after", 1, REPLACED), **TWO)
    return Job(TWO | {"mark": "C", "run": "third"})


@only_plain
def cut_off_swap(world: World) -> Job:
    """The try before died between the two renames: there is no target now."""
    world.commit(**ONE)
    world.crash(Strike("kill-after", 1, f"rename {world.target} "), **TWO)
    return Job(TWO | {"try_number": 2})


@only_plain
def cut_off_swap_then_new_work(world: World) -> Job:
    world.commit(**ONE)
    world.crash(Strike("kill-after", 1, f"rename {world.target} "), **TWO)
    return Job(TWO | {"mark": "C", "run": "third"})


@scenario
def cleared(world: World) -> Job:
    """The user cleared a task that had committed: everything is made anew."""
    world.commit(**ONE)
    world.commit(**TWO)
    return Job(TWO | {"try_number": 2, "first_try": 2}, makes_anew=True)


@scenario
def retention(world: World) -> Job:
    """Two retired snapshots are past their time."""
    retired = [world.commit(**ONE), world.commit(**TWO | {"mark": "C"}), world.commit(**TWO | {"mark": "D"})]
    for place in (world.control / "retired").iterdir():
        os.utime(place, (LONG_AGO, LONG_AGO))
    return Job(TWO, expired=frozenset(retired[:2]))


@scenario
@also_plain
def rollback(world: World) -> Job:
    before = world.commit(**ONE)
    world.commit(**TWO)
    return Job({"snapshot": before}, "rollback", makes=ONE)


@scenario
@also_plain
def rollback_of_damage(world: World) -> Job:
    """The current snapshot's own header is gone bad: the directory is moved aside as if it were somebody else's."""
    before = world.commit(**ONE)
    world.commit(**TWO)
    _replace(world.target / HEADER, b"{")
    return Job({"snapshot": before}, "rollback", makes=ONE)


@scenario
def rollback_over_a_dead_attempt(world: World) -> Job:
    """What the dead try swapped out is what shall come back."""
    before = world.commit(**ONE)
    world.crash(Strike("kill-after", 1, REPLACED), **TWO)
    return Job({"snapshot": before}, "rollback", makes=ONE)


@scenario
@also_plain
def repair(world: World) -> Job:
    """One file is missing and one is damaged; the snapshot that was replaced has both."""
    world.commit(**ONE)
    world.target.chmod(0o750)
    world.commit(**TWO | {"mark": "A"})
    (world.target / "deep/b.bin").unlink()
    _replace(world.target / "deep/er/c.bin", b"damaged")
    return Job({}, "repair", makes=TWO | {"mark": "A"})


@scenario
@also_plain
def removal_let_through(world: World) -> Job:
    """More goes than may go, and somebody has let that through."""
    world.commit(**ONE)
    world.run("accept_removal")
    return Job(FEW)


@scenario
@also_plain
def adopted(world: World) -> Job:
    """Another stage's target, which somebody let this one replace."""
    world.commit(**ONE, stage="other")
    world.run("adopt")
    return Job(TWO)


@scenario
@also_plain
def adopted_unmanaged(world: World) -> Job:
    _make_bare(world.target)
    world.run("adopt")
    return Job(TWO)


@scenario
def let_through(world: World) -> Job:
    """The permission is given between two runs."""
    world.commit(**ONE)
    return Job(FEW, "let_through")


@scenario
@also_plain
def left_open(world: World) -> Job:
    """A process has left its claim open, with half of the files; another one makes the rest and commits."""
    world.commit(**ONE)
    planned = world.run("plan", **TWO).result
    assert planned
    return Job({"source": TWO["source"], "mark": TWO["mark"], "attempt": planned["attempt"]}, "go_on")


@scenario
@also_plain
def sharded(world: World) -> Job:
    """One process after the other plans, works on three shards, and commits."""
    world.commit(**ONE)
    return Job(TWO, "run_shards", whole="run_shards")


@scenario
def sharded_rerun(world: World) -> Job:
    """Most outputs are carried over; the try before died with two shards sealed."""
    world.commit(**ONE)
    world.crash(Strike("kill-after", 2, "seal.json"), "run_shards", **TWO | {"mark": "A"})
    return Job(TWO | {"mark": "A", "try_number": 2}, "run_shards", whole="run_shards")


@scenario
def shards_at_work(world: World) -> Job:
    """The plan is made; who works on the shards dies, and then another process does."""
    world.commit(**ONE)
    planned = world.run("cut_shards", **TWO).result
    assert planned
    return Job({"source": TWO["source"], "mark": TWO["mark"], **planned}, "finish_shards", whole="run_shards")


@scenario
@also_plain
def shards_gathered(world: World) -> Job:
    """All shards are sealed; who commits dies, and then another process does."""
    world.commit(**ONE)
    planned = world.run("cut_shards", **TWO).result
    assert planned
    sealed = world.run("work_shards", **{"source": TWO["source"], "mark": TWO["mark"], **planned}).result
    assert sealed
    return Job({"source": TWO["source"], "mark": TWO["mark"], **sealed}, "gather_shards", whole="run_shards")


@scenario
@also_plain
def hold(world: World) -> Job:
    """A snapshot is made and held; the target stays, and nothing is lost of what is held."""
    world.commit(**ONE)
    return Job(TWO, "hold", makes=ONE, commits=False)


@scenario
def held_beside_a_run(world: World) -> Job:
    """Another run takes over files of what is held, and commits; that stays held."""
    world.commit(**ONE)
    world.hold(**TWO)
    return Job(TWO | {"run": "third"})


@scenario
@also_plain
def publish(world: World) -> Job:
    world.commit(**ONE)
    held = world.hold(**TWO)
    return Job({"snapshot": held}, "publish", makes=TWO, decided=frozenset({held}))


@scenario
def publish_the_first(world: World) -> Job:
    """Nothing is there yet."""
    held = world.hold(**ONE)
    return Job({"snapshot": held}, "publish", makes=ONE, decided=frozenset({held}))


@scenario
@also_plain
def publish_over_unmanaged(world: World) -> Job:
    _make_bare(world.target)
    held = world.hold(**ONE, may_replace=["unmanaged"])
    return Job({"snapshot": held}, "publish", makes=ONE, decided=frozenset({held}))


@scenario
def publish_one_of_two(world: World) -> Job:
    world.commit(**ONE)
    world.hold(**TWO | {"mark": "C", "run": "third"})
    held = world.hold(**TWO)
    return Job({"snapshot": held}, "publish", makes=TWO, decided=frozenset({held}))


@scenario
def reject(world: World) -> Job:
    world.commit(**ONE)
    held = world.hold(**TWO)
    return Job({"snapshot": held}, "reject", makes=ONE, commits=False, decided=frozenset({held}))


@scenario
def clean_beside_what_is_held(world: World) -> Job:
    """A dead attempt beside it goes, and what is held stays."""
    world.commit(**ONE)
    world.hold(**TWO)
    world.crash(Strike("kill-before", 1, REPLACED), **ONE | {"run": "dead", "mark": "C"})
    return Job({}, "clean", makes=ONE, commits=False)


@scenario
@also_plain
def lost_fence(world: World) -> Job:
    """It cannot be read, so it is put aside, and nobody has claimed."""
    world.commit(**ONE)
    _replace(world.control / "fence.json", b"{")
    return Job(TWO)


@scenario
def clean(world: World) -> Job:
    """A dead attempt, and a retired snapshot past its time."""
    retired = world.commit(**ONE)
    world.commit(**TWO | {"mark": "C"})
    world.commit(**TWO)
    os.utime(world.control / "retired" / retired, (LONG_AGO, LONG_AGO))
    world.crash(Strike("kill-before", 1, REPLACED), **ONE | {"run": "dead"})
    return Job({}, "clean", makes=TWO, expired=frozenset({retired}))


@scenario
def dead_attempts_in_numbers(world: World) -> Job:
    """More attempts have died than are kept: of other code, and with more of the same than is of use."""
    world.commit(**ONE)
    for number in range(7):
        mark = "C" if number % 3 == 0 else "B"
        world.crash(Strike("kill-before", 1, REPLACED), **TWO | {"mark": mark, "run": f"dead {number}"})
    return Job(TWO)


@scenario
def slow_work(world: World) -> Job:
    """Each file is synced and journaled before the next one is written."""
    world.commit(**ONE)
    return Job(TWO | {"seconds_each": 0.03})


@scenario
def two_workers(world: World) -> Job:
    """Files are made by children of the process; a strike in any of them reaches all."""
    world.commit(**ONE)
    return Job(TWO | {"workers": 2})


@scenario
def process_durability(world: World) -> Job:
    world.commit(**ONE, durability="process")
    return Job(TWO | {"mark": "A", "durability": "process"})


def _replace(path: Path, content: bytes) -> None:
    """Not in place, since other snapshots have links to the file."""
    path.unlink()
    path.write_bytes(content)


def _make_bare(directory: Path) -> None:
    directory.mkdir()
    (directory / "precious.csv").write_bytes(b"1,2\n")
    (directory / "folder").mkdir(0o700)
    (directory / "folder" / "more.csv").write_bytes(b"3,4\n")
