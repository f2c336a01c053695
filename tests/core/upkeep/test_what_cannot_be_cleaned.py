"""Clean-up goes round what it cannot look at or remove, and says what that is, and why."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_dirops.core import Outcome, errors, read_directory, upkeep
from airflow_dirops.core.format.runs import new_id
from airflow_dirops.core.place.place import Cleaned
from airflow_dirops.core.places.directory.place import DirectoryPlace
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.testing.places.driving import Driven, attempt_of, terms
from tests import needs
from tests.core.children import as_user
from tests.core.conftest import Run
from tests.core.directories import assert_whole, control_of, orphans_of, retired_of, values_of, write_texts
from tests.core.seed import read_text

NOTHING_KEPT = Retention(0, 0)
USER = 61_004
HUGE = 1 << 30


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def grow(path: Path) -> None:
    path.touch()
    os.truncate(path, HUGE)


STAND_INS: dict[str, Callable[[Path], object]] = {
    "directory": lambda path: write_texts(path, precious="mine"),
    "fifo": os.mkfifo,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "empty": Path.touch,
    "huge": grow,
    "nothing": lambda path: None,
}
FILES = ("alive", "owner.json", "claim.json", "journal.jsonl", "tree")


def fail(run: Run) -> None:
    """Leave a dead attempt that has finished two of three inputs."""

    def read(path: str) -> str:
        if path.endswith("c.txt"):
            raise ValueError(path)
        return Path(path).read_text()

    with pytest.raises(errors.RecordFailed):
        run(read=read, version="1", durability="process", redo="all")


def leave_open(target: Path) -> None:
    """Leave a claim open on which two processes have worked."""
    first = Driven.begin(DirectoryPlace(target), attempt_of("open"), terms()).put({"a.bin": b"1"})
    first.leave()
    Driven.resume(DirectoryPlace(target), first).put({"b.bin": b"2"}).leave()


def left_behind(run: Run, target: Path, which: str) -> Path:
    """A target with a retired snapshot and a staging area that nobody works in."""
    run(version="1", durability="process")
    run(version="1", durability="process", redo="all")
    fail(run) if which == "dead" else leave_open(target)
    areas = sorted((control_of(target) / "attempts").iterdir())
    return areas[-1] if which == "open, second" else areas[0]


def assert_told(target: Path, cleaned: Cleaned) -> None:
    """All that is left in the control directory's folders is told."""
    told = "\n".join(cleaned.left)
    for name in orphans_of(target):
        # An open claim is told by its run.
        assert name[:36] in told or f"attempts/{name}" in cleaned.foreign or "run 'open'" in told
    assert os.listdir(control_of(target) / "removing") == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("which", ["dead", "open", "open, second"])
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("stand_in", ["directory", "fifo", "dangling link", "empty", "huge"])
def test_a_file_of_an_attempt_that_is_something_else_stops_no_door(
    run: Run, target: Path, which: str, name: str, stand_in: str
) -> None:
    area = left_behind(run, target, which)
    remove(area / name)
    STAND_INS[stand_in](area / name)
    upkeep.repair(target)
    upkeep.rollback(target)
    assert run(version="1", durability="process", redo="all", retention=NOTHING_KEPT).outcome == "committed"
    assert_whole(target)
    cleaned = upkeep.clean(target, NOTHING_KEPT)
    # What an open claim builds on is kept.
    assert len(retired_of(target)) <= (which != "dead")
    assert_told(target, cleaned)
    if name == "alive" and stand_in not in ("empty", "huge"):
        (told,) = cleaned.left
        assert "could not look at the attempt" in told
        assert "remove it if no run is at work on this target" in told
        remove(area / name)
        if which == "dead":
            assert upkeep.clean(target).orphans == [area.name]
            assert upkeep.clean(target).left == []


@pytest.mark.parametrize("stand_in", STAND_INS)
def test_a_claim_that_nobody_can_go_on_with_is_over(run: Run, target: Path, stand_in: str) -> None:
    area = left_behind(run, target, "open")
    remove(area / "claim.json")
    STAND_INS[stand_in](area / "claim.json")
    with pytest.raises(errors.AttemptSuperseded, match="run the stage from its beginning"):
        DirectoryPlace(target).resume(area.name, terms())
    cleaned = upkeep.clean(target)
    assert (cleaned.orphans, cleaned.left) == ([area.name], [])
    assert orphans_of(target) == []


@pytest.fixture
def others(public: Path, run: Run) -> Callable[[str], Path]:
    """Makes a target of a user's with a staging area of his own, as :func:`left_behind` does."""
    needs.root("to become another user")

    def make(which: str) -> Path:
        target = public / "out" / "target"
        write_texts(public / "texts", a="alpha", b="beta", c="gamma")
        area = left_behind(lambda **changes: run(**{"target": target, **changes}), target, which)
        for path in [public, *public.rglob("*")]:
            os.chown(path, USER, USER, follow_symlinks=False)
        return area

    return make


def target_of(area: Path) -> Path:
    return area.parents[3] / area.parents[1].name


def run_there(target: Path, read: Callable[[str], str] = read_text) -> Outcome:
    texts = target.parents[1] / "texts"
    return read_directory(source=texts, target=target, read=read, codec="text", stage="copy", redo="all")


def replace_earlier(snapshot: Path) -> None:
    """As if it had been replaced two hours before it was."""
    replaced = snapshot.stat().st_mtime - 2 * 3600
    os.utime(snapshot, (replaced, replaced))


def cleaned_by_user(target: Path, retention: Retention = NOTHING_KEPT) -> str:
    return as_user(USER, USER, lambda: upkeep.clean(target, retention))


@pytest.mark.parametrize("which", ["dead", "open", "open, second"])
@pytest.mark.parametrize("name", ["alive", "owner.json", "claim.json", "journal.jsonl", "tree", "."])
def test_what_a_user_may_not_read_stops_nothing_else(others: Callable[[str], Path], which: str, name: str) -> None:
    area = others(which)
    target, path = target_of(area), area / name
    if not path.exists():
        pytest.skip("an attempt like this has none")
    os.chown(path, 0, 0)
    path.chmod(0)
    (replaced,) = retired_of(target)
    replace_earlier(replaced)
    told = cleaned_by_user(target)
    assert told.startswith("Cleaned("), told
    assert "foreign=[]" in told
    if (which, name) == ("dead", "journal.jsonl"):
        assert f"orphans=['{area.name}']" in told
    elif which == "dead" or name in ("alive", "owner.json", "."):
        assert "could not look at the attempt" in told
        assert "Permission denied; give user 61004 permission for it" in told
    # What was replaced before the claim began cannot be its base.
    assert retired_of(target) == []
    assert as_user(USER, USER, lambda: upkeep.repair(target).remaining) == "[]"
    assert as_user(USER, USER, lambda: run_there(target).outcome) == "'committed'"
    assert values_of(target)["a"] == "alpha"
    if path.exists():
        path.chmod(0o777)
        os.chown(path, USER, USER)
    again = cleaned_by_user(target)
    assert "could not" not in again
    assert (which != "dead") == ("left=[]" not in again)


def test_what_an_unreadable_claim_may_build_on_is_kept(others: Callable[[str], Path], run: Run, texts: Path) -> None:
    area = others("open")
    target = target_of(area)
    (first,) = retired_of(target)
    write_texts(texts, a="again")
    replace_earlier(first)
    run(target=target, version="1")
    assert len(retired_of(target)) == 2
    for path in [target.parent, *target.parent.rglob("*")]:
        os.chown(path, USER, USER, follow_symlinks=False)
    os.chown(area / "claim.json", 0, 0)
    (area / "claim.json").chmod(0)
    told = cleaned_by_user(target)
    assert "what was replaced since it began is kept" in told
    assert first not in retired_of(target)
    assert len(retired_of(target)) == 1
    (area / "claim.json").chmod(0o644)
    assert "snapshots=[]" in cleaned_by_user(target)
    assert len(retired_of(target)) == 1


@pytest.mark.parametrize("folder", ["retired", "removing"])
def test_one_snapshot_that_a_user_may_not_read_does_not_keep_the_others(
    others: Callable[[str], Path], folder: str
) -> None:
    area = others("dead")
    target = target_of(area)
    where = control_of(target) / folder
    (whole,) = retired_of(target)
    names = sorted(new_id() for _ in range(3))
    for name in names:
        shutil.copytree(whole, where / name)
        header = where / name / "_dirops/manifest.json"
        header.chmod(0o644)
        header.write_text(header.read_text().replace(whole.name, name))
    for path in where.rglob("*"):
        os.chown(path, USER, USER)
    os.chown(where / names[1], 0, 0)
    (where / names[1]).chmod(0)
    told = cleaned_by_user(target)
    assert f"/{folder}/{names[1]}" in told.split("left=")[1]
    assert [path.name for path in where.iterdir()] == [names[1]]


def test_what_cannot_be_moved_out_of_the_way_is_told(others: Callable[[str], Path]) -> None:
    area = others("dead")
    os.chown(area.parent, 0, 0)
    told = cleaned_by_user(target_of(area))
    assert "orphans=[]" in told
    assert f"could not remove {area}" in told.split("left=")[1]


def test_a_run_that_has_committed_says_so_whatever_it_can_clean_up(others: Callable[[str], Path]) -> None:
    area = others("dead")
    target = target_of(area)

    def read(path: str) -> str:
        area.parent.chmod(0o300)  # what is in it may be moved, and not listed
        return read_text(path)

    assert as_user(USER, USER, lambda: run_there(target, read=read).outcome) == "'committed'"
    area.parent.chmod(0o755)
    assert "left=[]" in cleaned_by_user(target)
    assert orphans_of(target) == []
