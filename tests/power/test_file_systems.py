"""Targets on file systems with habits of their own: FUSE, folded names, an overlay, read-only and misplaced mounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_dirops.core import Retention, errors, upkeep
from tests import needs
from tests.crash import scenarios
from tests.crash.checker import Expected, finished_inputs, look
from tests.crash.scenarios import ONE, TWO
from tests.crash.shim import Strike
from tests.crash.world import Ended, Warm, World, made_of
from tests.power.disks import need_disks, run
from tests.power.served import need_served, served

DIED, SLOWLY = Strike("kill-after", 5, "journal.jsonl"), {"durability": "process", "seconds_each": 0.3}

# What takes two renames where names cannot be exchanged, and what finds such a swap cut off.
SCENARIOS = (
    "fresh",
    "replacement",
    "unmanaged",
    "rerun",
    "resume",
    "cut_off_swap",
    "cut_off_swap_then_new_work",
    "rollback",
    "retention",
)


@pytest.fixture
def world(warm: Warm, here: Path, sources: Path) -> World:
    (here / "world").mkdir()
    return World(warm, here / "world", sources)


@contextmanager
def mounted(where: Path, *how: str | Path) -> Iterator[None]:
    need_disks()
    where.mkdir(exist_ok=True)
    run(*how, where)
    try:
        yield
    finally:
        run("umount", where)


@pytest.mark.parametrize("name", SCENARIOS)
def test_fuse_which_cannot_exchange_names(name: str, warm: Warm, here: Path, sources: Path) -> None:
    needs.device("/dev/fuse")
    need_disks("bindfs")
    (here / "below").mkdir()
    with mounted(here / "fuse", "bindfs", here / "below"):
        scenario = scenarios.prepare(name, World(warm, here / "fuse" / "world", sources))
        job = scenario.job
        ended = scenario.world.run(job.name, **job.arguments)
        assert ended.result, ended
        assert scenario.expected.violations_after_retry(scenario.world.target) == []


@pytest.fixture
def folding(warm: Warm, here: Path, sources: Path) -> Iterator[World]:
    """Where names that differ only in case are one."""
    need_served()
    (here / "below").mkdir()
    with served("tests.power.folding_server", here / "below", where=here / "folding") as where:
        (where / "world").mkdir()
        yield World(warm, where / "world", sources)


def test_names_that_differ_only_in_case_where_they_are_one(folding: World, here: Path) -> None:
    folding.commit(**ONE)
    expected = Expected.of(folding.target, {})
    source = here / "source"
    source.mkdir()
    for name in ("Sample.raw", "other.raw", "sample.raw"):
        (source / name).write_text(name)
    refused = folding.run(**TWO | {"source": source})
    assert refused.error == "KeyRefused", refused
    assert "'Sample.raw'" in refused.message
    assert "'sample.raw'" in refused.message
    assert expected.violations_after_crash(folding.target) == []

    (source / "sample.raw").unlink()
    folding.commit(**TWO | {"source": source})
    assert set(look(folding.target).content) == {"sample.bin", "other.bin"}


@pytest.fixture
def from_below(warm: Warm, here: Path, sources: Path) -> Iterator[World]:
    """A target that only the lower layer of an overlay has, as where a container's image brings it."""

    def build(lower: World) -> None:
        lower.commit(**ONE)
        lower.commit(**ONE | {"redo": "all"})
        (lower.root / "empty").mkdir()

    with overlay(warm, here, sources, build) as world:
        yield world


@contextmanager
def overlay(warm: Warm, here: Path, sources: Path, build: Callable[[World], None]) -> Iterator[World]:
    """A world over a lower layer.

    :param build: fills that layer, as who builds an image.
    """
    needs.file_system("overlay")
    lower = World(warm, here / "lower", sources)
    lower.root.mkdir()
    build(lower)
    for name in ("upper", "work"):
        (here / name).mkdir()
    layers = f"lowerdir={lower.root},upperdir={here / 'upper'},workdir={here / 'work'}"
    world = World(warm, here / "overlay", sources)
    with mounted(world.root, "mount", "-t", "overlay", "-o", layers, "overlay"):
        yield world


def test_a_target_from_a_lower_layer_is_refused_before_any_work(from_below: World) -> None:
    before = look(from_below.target)
    refused = from_below.run(**TWO)
    assert refused.error == "TargetRefused", refused
    assert "lower layer of an overlay" in refused.message
    assert "nothing was begun" in refused.message
    assert finished_inputs(from_below.target) == {}
    assert look(from_below.target) == before


def test_what_to_do_with_a_target_from_a_lower_layer(from_below: World) -> None:
    """The advice of the refusal."""
    target = from_below.target
    from_below.commit(**TWO | {"target": str(target.with_name("another"))})
    with mounted(from_below.root, "mount", "-t", "tmpfs", "none"):
        from_below.commit(**TWO)

    run("cp", "-a", target, target.with_name("copy"))
    run("rm", "-r", target)
    run("mv", target.with_name("copy"), target)
    from_below.commit(**TWO)
    assert look(target).content == made_of(from_below.sources / "two", TWO["mark"])


@pytest.mark.parametrize("act", [upkeep.rollback, upkeep.repair])
def test_upkeep_refuses_it_as_well_until_that_is_done(from_below: World, act: Callable[[Path], object]) -> None:
    target = from_below.target
    entry = min(path for path in target.rglob("*.bin"))
    if act is upkeep.repair:
        # Damaged in the upper layer, so that its bytes are only in the retired snapshot.
        entry.chmod(0o644)
        entry.write_bytes(b"?" * entry.stat().st_size)
    before = look(target)
    with pytest.raises(errors.TargetRefused, match=r"lower layer of an overlay.*nothing was begun") as refused:
        act(target)
    assert look(target) == before
    assert list(target.parent.glob(f".dirops/{target.name}/attempts/*/tree")) == []
    assert "put a copy in its place (cp -a, rm -r, mv)" in str(refused.value)

    run("cp", "-a", target, target.with_name("copy"))
    run("rm", "-r", target)
    run("mv", target.with_name("copy"), target)
    act(target)
    assert upkeep.verify(target, deep=True).is_good
    assert len(upkeep.list_snapshots(target)) == 3


def test_what_was_retired_in_a_lower_layer_stays_without_a_warning_each_time_and_comes_back(
    from_below: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Removing it would free nothing: the image has it."""
    target, nothing = from_below.target, Retention(keep_snapshots=0, keep_hours=0)
    image = [kept.manifest.snapshot for kept in upkeep.list_snapshots(target)]
    with caplog.at_level("INFO"):
        assert upkeep.clean(target, nothing).snapshots == []
    ((level, message),) = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert (level, message.split(" come from ")[0]) == ("INFO", "1 directories")
    assert "removing them would free nothing" in message

    another = target.with_name("another")
    from_below.commit(**TWO | {"target": str(another)})
    run("rm", "-r", target)
    another.rename(target)
    upkeep.rollback(target, image[1])
    assert look(target).content == made_of(from_below.sources / "one", ONE["mark"])
    assert upkeep.verify(target, deep=True).is_good
    caplog.clear()
    upkeep.clean(target, nothing)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_what_a_dead_attempt_left_in_a_lower_layer_is_used_and_not_called_removed(
    warm: Warm, here: Path, sources: Path
) -> None:
    needs.file_system("overlay")
    with overlay(warm, here, sources, lambda lower: lower.crash(DIED, **ONE, **SLOWLY)) as world:
        ((dead, _),) = finished_inputs(world.target).items()
        assert upkeep.clean(world.target).orphans == []
        assert dead in finished_inputs(world.target)
        world.commit(**ONE)
        assert look(world.target).content == made_of(world.sources / "one", ONE["mark"])


def test_a_lower_layer_is_in_nobodys_way_where_nothing_is_renamed(from_below: World) -> None:
    unchanged = from_below.run(**ONE | {"run": "another"})
    assert unchanged.result["outcome"] == "unchanged"
    from_below.commit(**ONE | {"target": str(from_below.target.with_name("empty"))})


def test_a_read_only_target_is_refused_before_any_work(world: World) -> None:
    world.commit(**ONE)
    expected = Expected.of(world.target, {})
    with mounted(world.root, "mount", "--bind", world.root):
        run("mount", "-o", "remount,bind,ro", world.root)
        refused = world.run(**TWO)
        with pytest.raises(errors.TargetRefused, match="mounted read-only"):
            upkeep.adopt(world.target)
    assert refused.error == "TargetRefused"
    assert "mounted read-only; remount it, or choose another target" in refused.message
    assert _names(refused, world.root)
    assert expected.violations_after_crash(world.target) == []


def test_a_control_directory_on_another_file_system_is_refused(world: World) -> None:
    with mounted(world.root / ".dirops", "mount", "-t", "tmpfs", "none"):
        refused = world.run(**ONE)
    assert refused.error == "TargetRefused"
    assert "is on another file system" in refused.message
    assert _names(refused, world.root)
    assert not world.target.exists()


def _names(ended: Ended, path: Path) -> bool:
    return str(path) in ended.message
