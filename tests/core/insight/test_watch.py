"""A running attempt is watched from another process, until it commits or dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dirops.core import Attempt, errors, look_at, read_directory, status, watch
from airflow_dirops.core.place.claim import Terms
from airflow_dirops.core.places import place_of
from tests.text_files import read_text, write

RUN = """
import sys, time
from pathlib import Path
from airflow_dirops.core import read_directory

def slow(path):
    while not Path(sys.argv[1], "go-" + Path(path).stem).exists():
        time.sleep(0.01)
    if path.endswith("b.txt"):
        return None
    return "x"

read_directory(source=sys.argv[1] + "/raw", target=sys.argv[1] + "/t", read=slow, codec="text", stage="dag.slow",
               run="monday", durability="process")
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    write(tmp_path / "raw", **{name: name for name in "abcd"})
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def let(root: Path, *names: str) -> None:
    for name in names:
        (root / f"go-{name}").touch()


def wait_until_done(target: Path, count: int) -> None:
    for _ in range(1000):
        if (now := look_at(target).at_work) and now.done >= count and now.total is not None:
            return
        time.sleep(0.02)
    pytest.fail(f"it never came to {count}")


def test_how_far_it_is_until_it_commits(tmp_path: Path, running: subprocess.Popen[bytes]) -> None:
    let(tmp_path, "a", "b")
    wait_until_done(tmp_path / "t", 2)
    now = look_at(tmp_path / "t").at_work
    assert now
    assert (now.done, now.total, now.skipped, now.quarantined) == (2, 4, 1, 0)
    assert (now.task_id, now.run_id, now.try_number, now.process) == ("dag.slow", "monday", 1, running.pid)
    assert now.host
    assert now.seconds_left is not None
    looks = watch(tmp_path / "t", every=0.05)
    assert next(looks).state == "at work"
    let(tmp_path, "c", "d")
    *_, last = looks
    assert last.state == "committed"
    assert last.snapshot
    assert running.wait() == 0
    assert look_at(tmp_path / "t").state == "idle"


def test_until_it_dies(tmp_path: Path, running: subprocess.Popen[bytes]) -> None:
    let(tmp_path, "a")
    wait_until_done(tmp_path / "t", 1)
    looks = watch(tmp_path / "t", every=0.05)
    next(looks)
    running.send_signal(signal.SIGKILL)
    *_, last = looks
    assert last.state == "died"
    assert last.snapshot is None
    assert last.attempts[0].state == "dead"
    assert (last.attempts[0].done, last.attempts[0].total) == (1, 4)
    (only,) = watch(tmp_path / "t")
    assert only.state == "idle"


def test_looking_disturbs_nobody(tmp_path: Path) -> None:
    """Stages that begin, commit and fail while others look at their target all the time."""
    write(tmp_path / "raw", a="a")
    target = tmp_path / "t"

    def look() -> None:
        while True:
            look_at(target)

    lookers = [multiprocessing.get_context("fork").Process(target=look, daemon=True) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for number in range(30):
            outcome = read_directory(
                source=tmp_path / "raw",
                target=target,
                read=read_text,
                codec="text",
                stage="s",
                version=str(number),
                durability="process",
            )
            assert outcome.outcome == "committed"
    finally:
        for looker in lookers:
            looker.kill()
            looker.join()


def test_nothing_is_written(tmp_path: Path, running: subprocess.Popen[bytes]) -> None:
    let(tmp_path, "a")
    wait_until_done(tmp_path / "t", 1)
    control = tmp_path / ".dirops/t"
    before = {path: (os.lstat(path).st_mtime_ns, os.lstat(path).st_size) for path in control.rglob("*")}
    look_at(tmp_path / "t")
    after = {path: (os.lstat(path).st_mtime_ns, os.lstat(path).st_size) for path in control.rglob("*")}
    assert after == before
    os.chmod(control / "lock", 0o444)
    assert look_at(tmp_path / "t").at_work


def test_a_claim_that_was_left_open(tmp_path: Path) -> None:
    with place_of(tmp_path / "t").claim(Attempt.outside_airflow("s", "r"), Terms(stage="s", fingerprint="f")) as claim:
        assert look_at(tmp_path / "t").state == "at work"
        claim.leave_open()
    (left,) = look_at(tmp_path / "t").attempts
    assert left.state == "open"


def test_an_attempt_that_failed_and_nothing_at_all(tmp_path: Path) -> None:
    assert look_at(tmp_path / "t").attempts == ()
    write(tmp_path / "raw", a="a")
    with pytest.raises(errors.InputError):
        read_directory(source=tmp_path / "raw", target=tmp_path / "t", read=lambda _: 1 / 0, codec="json", stage="s")
    (left,) = look_at(tmp_path / "t").attempts
    assert (left.state, left.quarantined) == ("dead", 1)


def test_hostile_journals_and_owners(tmp_path: Path) -> None:
    write(tmp_path / "raw", a="a")
    with pytest.raises(errors.InputError):
        read_directory(source=tmp_path / "raw", target=tmp_path / "t", read=lambda _: 1 / 0, codec="json", stage="s")
    (area,) = (tmp_path / ".dirops/t/attempts").iterdir()
    (area / "owner.json").write_text("[" * 100_000)
    (area / "expected.json").write_text('{"inputs": -7}')
    (area / "journal.jsonl").write_bytes(b'{"state":"carried\\"state\\":\\"skipped\\""}\n' + b"x" * 10_000_000)
    (left,) = look_at(tmp_path / "t").attempts
    assert (left.done, left.total, left.host, left.process) == (1, None, "", None)
    (area / "journal.jsonl").unlink()
    (area / "journal.jsonl").symlink_to("/dev/zero")
    assert look_at(tmp_path / "t").attempts[0].done == 0


def test_status_says_where_somebody_is_at_work(tmp_path: Path, running: subprocess.Popen[bytes]) -> None:
    let(tmp_path, "a")
    wait_until_done(tmp_path / "t", 1)
    (stage,) = status(tmp_path).stages
    (one,) = stage.partitions
    assert (one.state, one.at_work) == ("absent", True)
    let(tmp_path, "b", "c", "d")
    running.wait()
    (one,) = status(tmp_path).stages[0].partitions
    assert one.at_work is False
