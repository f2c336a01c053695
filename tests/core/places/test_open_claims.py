"""A claim that its process leaves open, with real processes: they are killed, stopped and woken, and others go on."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, open_snapshot, upkeep
from airflow_dirops.core.format.runs import new_id
from airflow_dirops.core.places.directory.areas import is_own_name
from airflow_dirops.core.places.directory.place import DirectoryPlace
from airflow_dirops.testing.places.driving import KEEP_NONE, Driven, attempt_of, committed, seen_in, terms
from tests.core.children import ROOT
from tests.core.conftest import Run
from tests.core.descriptors import left_open, open_descriptors
from tests.core.directories import control_of, nothing_lost, orphans_of

PLAN = """
import sys
from airflow_dirops.core.place.claim import Won
from airflow_dirops.core.places.directory.areas import is_own_name
from airflow_dirops.core.places.directory.place import DirectoryPlace
from airflow_dirops.testing.places.driving import Driven, attempt_of

place = DirectoryPlace(sys.argv[1])
planner = Driven.begin(place, attempt_of("run")).put({"planned.bin": b"planner"})
sealed = planner.seal()
planner.close_staging()
planner.claim.leave_open()
print(planner.claim.attempt.id, planner.claim.area, flush=True)
sys.stdin.readline()
answer = planner.claim.commit(sealed, "last")
print("won" if answer == Won() else type(answer.error).__name__, flush=True)
"""

GO_ON = """
import sys
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.places.directory.areas import is_own_name
from airflow_dirops.core.places.directory.place import DirectoryPlace
from airflow_dirops.testing.places.driving import Driven, terms

place = DirectoryPlace(sys.argv[1])
driven = Driven(place.resume(sys.argv[2], terms()), terms())
driven.take_others(*sys.argv[3:]).put({"more.bin": b"more"}).staging.drain()
print(driven.claim.attempt.id, driven.claim.area, flush=True)
sys.stdin.readline()
try:
    print(driven.finish().snapshot, flush=True)
except DiropsError as error:
    print(type(error).__name__, flush=True)
"""


class Child:
    """A process that stages, says under which claim and where, and waits for a word."""

    def __init__(self, script: str, *arguments: object) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self.attempt, self.area = self.said().split()

    def said(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def go_on(self) -> str:
        """Let it commit; returns what it says of that."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        said = self.said()
        self._process.wait()
        return said

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()


@pytest.fixture
def place(tmp_path: Path) -> DirectoryPlace:
    place = DirectoryPlace(tmp_path / "out" / "target")
    committed(place, {"old.bin": b"old"}, attempt_of("old"))
    return place


@pytest.fixture
def planner(place: DirectoryPlace) -> Iterator[Child]:
    child = Child(PLAN, place.name)
    yield child
    child.close()


@pytest.fixture
def successor(place: DirectoryPlace, planner: Child) -> Iterator[Child]:
    child = Child(GO_ON, place.name, planner.attempt, planner.area)
    yield child
    child.close()


def test_a_planner_dies_and_another_process_commits_what_both_wrote(place: DirectoryPlace, planner: Child) -> None:
    planner.kill()
    assert upkeep.clean(place.name).orphans == []
    child = Child(GO_ON, place.name, planner.attempt, planner.area)
    assert (child.attempt, child.area) == (planner.attempt, f"{planner.attempt}-2")
    snapshot = child.go_on()
    child.close()
    assert seen_in(place) == {"planned.bin": b"planner", "more.bin": b"more"}
    with open_snapshot(place.name) as seen:
        assert (seen.manifest.snapshot, seen.manifest.attempt.id) == (snapshot, planner.attempt)
    assert orphans_of(Path(place.name)) == []


def test_a_planner_that_is_stopped_commits_nothing_once_it_wakes(
    place: DirectoryPlace, planner: Child, successor: Child
) -> None:
    planner.signal(signal.SIGSTOP)
    snapshot = successor.go_on()
    planner.signal(signal.SIGCONT)
    assert planner.go_on() == "AttemptSuperseded"
    assert place.read_header().snapshot == snapshot
    assert upkeep.clean(place.name).orphans == [planner.attempt]
    assert orphans_of(Path(place.name)) == []


def test_a_process_that_writes_yet_when_another_one_has_committed_learns_that(
    place: DirectoryPlace, planner: Child, successor: Child
) -> None:
    late = Driven(place.resume(planner.attempt, terms()), terms()).put({"late.bin": b"late"})
    snapshot = successor.go_on()
    late.put({"later.bin": b"later"})
    with pytest.raises(errors.AttemptSuperseded, match="by another of its processes"):
        late.finish()
    assert place.read_header().snapshot == snapshot


def test_whoever_goes_on_is_for_the_same_site(place: DirectoryPlace) -> None:
    on = terms(dimensions={"site": "berlin"})
    Driven.begin(place, attempt_of("run"), on).leave()
    (claimed,) = {area.name for area in (control_of(Path(place.name)) / "attempts").iterdir()}
    with pytest.raises(errors.TargetRefused, match=r"'berlin'.*'hamburg'"):
        place.resume(claimed, terms(dimensions={"site": "hamburg"}))
    Driven(place.resume(claimed, on), on).put({"a.bin": b"1"}).finish()


@pytest.mark.parametrize("name", ["-999999999", "-1000000", "-2", "-0"])
@pytest.mark.parametrize("kind", ["directory", "file", "dangling link"])
def test_what_lies_under_a_name_of_a_staging_area_is_gone_round(place: DirectoryPlace, name: str, kind: str) -> None:
    Driven.begin(place, attempt_of("run")).put({"a.bin": b"1"}).leave()
    (area,) = (control_of(Path(place.name)) / "attempts").iterdir()
    stray = area.with_name(area.name + name)
    {"directory": stray.mkdir, "file": stray.touch, "dangling link": lambda: stray.symlink_to("nowhere")}[kind]()
    for _ in range(2):
        driven = Driven(place.resume(area.name, terms()), terms())
        assert is_own_name(driven.claim.area)
        assert driven.claim.area not in (area.name, stray.name)
        driven.leave()
    Driven(place.resume(area.name, terms()), terms()).take_others(area.name).finish()
    assert seen_in(place) == {"a.bin": b"1"}


def test_a_claim_that_says_another_try_than_the_fence_is_not_gone_on_with(place: DirectoryPlace) -> None:
    Driven.begin(place, attempt_of("run")).leave()
    (area,) = (control_of(Path(place.name)) / "attempts").iterdir()
    claim = json.loads((area / "claim.json").read_text())
    (area / "claim.json").write_text(json.dumps(claim | {"try_number": 2**62}))
    with pytest.raises(errors.AttemptSuperseded):
        place.resume(area.name, terms())
    committed(place, {"b.bin": b"2"}, attempt_of("run", 2))


def test_of_a_planner_and_a_successor_that_are_both_awake_one_commits(
    place: DirectoryPlace, planner: Child, successor: Child
) -> None:
    assert planner.go_on() == "won"
    assert successor.go_on() == "AttemptSuperseded"
    assert seen_in(place) == {"planned.bin": b"planner"}
    assert upkeep.clean(place.name).orphans == [planner.attempt]


def test_each_that_dies_is_gone_on_with(place: DirectoryPlace, planner: Child, successor: Child) -> None:
    planner.kill()
    successor.kill()
    left = [area.name for area in sorted((control_of(Path(place.name)) / "attempts").iterdir())]
    assert left == [planner.area, successor.area]
    last = Driven(place.resume(planner.attempt, terms()), terms())
    assert [other.id for other in last.claim.others] == left
    last.take_others(successor.area).finish()
    assert seen_in(place) == {"planned.bin": b"planner", "more.bin": b"more"}


def test_a_process_at_work_keeps_what_the_dead_ones_left(
    place: DirectoryPlace, planner: Child, successor: Child
) -> None:
    planner.kill()
    newer = Driven.begin(place, attempt_of("run", 2))
    assert newer.claim.dead == []
    (left,) = upkeep.clean(place.name).left[:1]
    assert "is at work on this target too" in left
    newer.fail()
    with pytest.raises(errors.AttemptSuperseded, match="try 2"):
        place.resume(planner.attempt, terms())
    successor.kill()
    again = Driven.begin(place, attempt_of("run", 3))
    assert {dead.id for dead in again.claim.dead} >= {planner.area, successor.area}
    again.fail()


def test_what_cannot_be_read_is_not_gone_on_with(place: DirectoryPlace, planner: Child) -> None:
    planner.kill()
    claim = control_of(Path(place.name)) / "attempts" / planner.attempt / "claim.json"
    content = claim.read_bytes()
    for damage in (b"", b"{", b"[]", b"7", b"\xff", content.replace(b'"base":"', b'"base":"../../'), b"[" * 100_000):
        claim.write_bytes(damage)
        with pytest.raises(errors.AttemptSuperseded, match=rf"{claim}.*; run the stage from its beginning"):
            place.resume(planner.attempt, terms())
    claim.unlink()
    os.mkfifo(claim)
    with pytest.raises(errors.AttemptSuperseded, match=rf"{claim}.*FIFO.*; run the stage from its beginning"):
        place.resume(planner.attempt, terms())
    committed(place, {"b.bin": b"2"}, attempt_of("run", 2))


@pytest.mark.parametrize("kind", ["link", "file"])
def test_an_attempt_that_is_no_directory_is_not_gone_on_with(place: DirectoryPlace, tmp_path: Path, kind: str) -> None:
    Driven.begin(place, attempt_of("run")).put({"a.bin": b"1"}).leave()
    (area,) = (control_of(Path(place.name)) / "attempts").iterdir()
    elsewhere = area.rename(tmp_path / "elsewhere")
    area.symlink_to(elsewhere) if kind == "link" else area.touch()
    with nothing_lost(elsewhere), pytest.raises(errors.TargetRefused, match=f"{area}.*remove it, and run") as refused:
        place.resume(area.name, terms())
    assert "is no directory but something else" in str(refused.value)
    assert [one.name for one in area.parent.iterdir()] == [area.name]
    assert upkeep.clean(place.name).foreign == [f"attempts/{area.name}"]
    area.unlink()
    committed(place, {"b.bin": b"2"}, attempt_of("run", 2))


def test_a_process_that_cannot_say_who_it_is_keeps_nothing_locked(place: DirectoryPlace) -> None:
    Driven.begin(place, attempt_of("run")).put({"a.bin": b"1"}).leave()
    (area,) = (control_of(Path(place.name)) / "attempts").iterdir()
    before, limits = open_descriptors(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(errors.StorageError):
            place.resume(area.name, terms())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert left_open(before) == []
    last = Driven(place.resume(area.name, terms()), terms())
    # The directory that was begun is nobody's, and in nobody's way.
    assert [other.id for other in last.claim.others] == [area.name, f"{area.name}-2"]
    last.take_others(area.name).finish()
    assert orphans_of(Path(place.name)) == []


@pytest.mark.parametrize("door", [lambda name: upkeep.clean(name, KEEP_NONE), upkeep.repair])
def test_however_many_claims_are_open_what_all_have_in_common_is_read_once(
    place: DirectoryPlace, door: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    control = control_of(Path(place.name))
    Driven.begin(place, attempt_of("run")).put({"a.bin": b"1"}).leave()
    committed(place, {"b.bin": b"2"}, attempt_of("other"))
    (area,) = (control / "attempts").iterdir()
    read: list[Counter[str]] = []
    for count in (1, 40):
        multiply_claims(control, area, count)
        opened: Counter[str] = Counter()
        with monkeypatch.context() as patch:
            count_names(patch, opened)
            door(place.name)
        read.append(opened)
    few, many = read
    assert many["claim.json"] >= 40
    assert few["fence.json"] == many["fence.json"] > 0
    assert few["attempts"] == many["attempts"] > 0
    assert few["manifest.json"] == many["manifest.json"] > 0


def multiply_claims(control: Path, area: Path, count: int) -> None:
    """As if so many runs had left their claims open, and ten times as many had that somebody has removed."""
    fence = json.loads((control / "fence.json").read_text())
    line = next(line for line in fence.values() if line["attempt"] == area.name)
    for number in range(count * 11):
        run, attempt = json.dumps(["dag", f"run {number}", "task", -1], separators=(",", ":")), new_id()
        fence[run] = line | {"attempt": attempt}
        if number < count:
            shutil.copytree(area, area.with_name(attempt))
            claim = json.loads((area / "claim.json").read_text())
            claim["run"]["run_id"] = f"run {number}"
            (area.with_name(attempt) / "claim.json").write_text(json.dumps(claim))
    (control / "fence.json").write_text(json.dumps(fence))


def count_names(patch: pytest.MonkeyPatch, opened: Counter[str]) -> None:
    """Count what is opened or listed, by its last name."""
    for name in ("open", "scandir"):
        call = getattr(os, name)

        def counted(path: Any, *arguments: Any, call: Callable[..., Any] = call, **options: Any) -> Any:
            if not isinstance(path, int):
                opened[os.path.basename(os.fspath(path))] += 1
            return call(path, *arguments, **options)

        patch.setattr(os, name, counted)


def test_a_run_says_whose_work_it_leaves_alone(
    place: DirectoryPlace, planner: Child, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    planner.kill()
    run(target=place.name, stage="copy", may_replace={"other_stage"}, redo="all")
    assert "has left its claim open for its other processes" in caplog.text
    (left,) = upkeep.clean(place.name).left
    assert left in caplog.text
