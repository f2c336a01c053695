"""Machines that are short of something, and locks that somebody holds: what the message says to do makes it work."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_dirops.core import errors, open_snapshot
from tests import needs
from tests.advice.conftest import Run, read_text
from tests.core.children import ROOT
from tests.core.directories import assert_whole, control_of

Refused = Callable[..., str]


class Memory:
    """As much as so many workers need at a time. The kernel kills whoever wants more."""

    def __init__(self, place: Path, workers: int) -> None:
        self._slots = [place / f"slot{number}" for number in range(workers)]
        self._full = place / "full"

    def read(self, path: str) -> str:
        for slot in self._slots:
            with open(slot, "w") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                deadline = time.monotonic() + 2
                while not self._full.exists() and time.monotonic() < deadline:
                    time.sleep(0.01)
                return read_text(path)
        self._full.touch()
        os.kill(os.getpid(), signal.SIGKILL)
        return ""


def test_workers_that_are_killed_for_want_of_memory(run: Run, target: Path, tmp_path: Path, refused: Refused) -> None:
    message = refused(run, read=Memory(tmp_path, 2).read, workers=3, version="1")
    assert "If memory was short, give the task more, or use fewer workers" in message
    (tmp_path / "full").unlink()
    assert run(read=Memory(tmp_path, 2).read, workers=2, version="1").outcome == "committed"
    (tmp_path / "full").unlink(missing_ok=True)
    assert run(read=Memory(tmp_path, 3).read, workers=3, version="2").outcome == "committed"
    assert_whole(target)


def test_the_process_that_forks_the_workers_is_killed(run: Run, target: Path, tmp_path: Path, refused: Refused) -> None:
    def read(path: str) -> str:
        if not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(30)  # its end is this one's, but a moment later
        return read_text(path)

    with pytest.raises(errors.TransientError) as told:
        run(read=read, workers=2, version="1")
    assert "give the task more, or use fewer workers, then try again" in str(told.value)
    assert run(read=read, workers=1, version="1").outcome == "committed"
    assert_whole(target)


@contextmanager
def beside(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process of somebody else's that has said it is ready."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


HOLDS = """
import fcntl, os, sys, time
descriptor = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("ready", flush=True)
time.sleep(60)
"""

STOPS = """
import os, signal, sys
from pathlib import Path
from airflow_dirops.core.places.directory.control import ControlDirectory
with ControlDirectory(Path(sys.argv[1])).locked("the night watch"):
    print("ready", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_dirops.core.places.directory.control.LOCK_TIMEOUT_SECONDS", 0.1)


def end_as_told(message: str) -> None:
    """Find who holds the lock with the command that the message gives, and end it."""
    (command,) = re.findall(r"find it and end it: (.+?) \(or lslocks\)", message)
    words = shlex.split(command)
    needs.program(words[0])
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    others = {int(word) for word in found.stdout.split()} - {os.getpid()}
    assert len(others) == 1
    os.kill(others.pop(), signal.SIGTERM)


@pytest.mark.usefixtures("impatient")
class TestLocks:
    def test_of_a_stranger(self, run: Run, target: Path, refused: Refused) -> None:
        target = target.with_name("it's a target")
        run(target=target)
        with beside(HOLDS, control_of(target) / "lock") as stranger:
            message = refused(run, target=target, redo="all")
            end_as_told(message)
            stranger.wait()
        assert message.endswith(", then try again")
        assert run(target=target, redo="all").outcome == "committed"

    def test_of_a_stranger_on_a_kept_snapshot(self, raw: Path, run: Run, target: Path, refused: Refused) -> None:
        pin = run().to_dict()
        (raw / "a.txt").write_text("later")
        run()
        (kept,) = (control_of(target) / "retired").iterdir()
        with beside(HOLDS, kept) as stranger:
            end_as_told(refused(lambda: open_snapshot(pin)))
            stranger.wait()
        open_snapshot(pin).close()

    def test_of_a_run_that_is_stopped(self, run: Run, target: Path, refused: Refused) -> None:
        run()
        with beside(STOPS, target) as stopped:
            message = refused(run, redo="all")
            (number,) = re.findall(r"by the night watch, process (\d+) on", message)
            assert "if it is stopped or hangs, end it, then try again" in message
            assert "T (stopped)" in Path(f"/proc/{number}/status").read_text()
            os.kill(int(number), signal.SIGKILL)
            stopped.wait()
        assert run(redo="all").outcome == "committed"
