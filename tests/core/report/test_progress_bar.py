"""The bar of a stage that somebody watches at a terminal, and the silence everywhere else."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.directories import write_texts

STAGE = """
import os, signal, sys, time
from pathlib import Path
from airflow_dirops.core import read_directory

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored so far, if a shell started the tests with "&"

def read(path):
    if path.endswith("bad.txt"):
        raise ValueError("bad")
    if path.endswith("wait.txt"):
        time.sleep(60)
    if path.endswith("prints.txt"):
        print("out of a function")
        print("unended", end="")
    return Path(path).read_text()

options = eval(sys.argv[1])
read_directory(source="texts", target="target", read=read, codec="text", stage="copy", **options)
"""

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads a terminal as Linux gives it")
pytestmark = needs_linux


class Terminal:
    """A program with a pseudo-terminal for its stderr, and what it showed there."""

    def __init__(self, place: Path, options: str = "{}", stdout: int | None = None) -> None:
        self._ours, theirs = pty.openpty()
        environment = os.environ | {
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "TERM": "xterm",
            "COLUMNS": "120",
            "NO_COLOR": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", STAGE, options],
            cwd=place,
            env=environment,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
        )
        os.close(theirs)
        self.shown = ""

    def until(self, text: str) -> None:
        while text not in self.shown and self._read():
            pass

    def ended(self) -> int:
        """Read to the end; returns the exit code."""
        while self._read():
            pass
        os.close(self._ours)
        return self._process.wait(timeout=60)

    def stop(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def hang_up(self) -> int:
        """Close the terminal while the program runs."""
        os.close(self._ours)
        return self._process.wait(timeout=60)

    def _read(self) -> bool:
        try:
            content = os.read(self._ours, 65536)
        except OSError:  # what Linux says when the last writer has closed it
            return False
        self.shown += content.decode(errors="replace")
        return bool(content)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_texts(tmp_path / "texts", a="alpha", b="beta", c="gamma")
    return tmp_path


def assert_left_tidy(terminal: Terminal) -> None:
    assert "\x1b[?25l" not in terminal.shown  # the cursor was never hidden, so nothing can leave it so
    assert "\x1b[?1049h" not in terminal.shown  # nor was the screen changed for another one
    assert terminal.shown.endswith("\n")


@pytest.mark.parametrize("workers", [1, 2])
def test_shows_what_is_done(place: Path, workers: int) -> None:
    terminal = Terminal(place, f"dict(workers={workers})")
    assert terminal.ended() == 0
    last = terminal.shown.splitlines()[-1]
    assert re.search(r"copy .* 3/3 .*[\d,.]+/s .*0:00:00 left", last), terminal.shown
    assert "a.txt" in terminal.shown or "b.txt" in terminal.shown
    assert_left_tidy(terminal)


def test_counts_failures(place: Path) -> None:
    write_texts(place / "texts", bad="")
    terminal = Terminal(place, "dict(on_error='quarantine')")
    assert terminal.ended() == 0
    *_, bar, summary = terminal.shown.splitlines()
    assert "1 failed" in bar
    assert "1 of 4 inputs were set aside" in summary


def test_a_failing_stage_leaves_the_terminal_tidy(place: Path) -> None:
    write_texts(place / "texts", z_bad="")
    terminal = Terminal(place)
    assert terminal.ended() == 1
    assert "RecordFailed" in terminal.shown
    assert "3/4" in terminal.shown or "1/4" in terminal.shown
    assert_left_tidy(terminal)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_stage_leaves_the_cursor(place: Path, number: signal.Signals) -> None:
    write_texts(place / "texts", wait="")
    terminal = Terminal(place)
    terminal.until("1/4")
    terminal.stop(number)
    assert terminal.ended() in (1, -number)
    assert "\x1b[?25l" not in terminal.shown


def test_what_functions_print_is_not_lost(place: Path) -> None:
    write_texts(place / "texts", prints="")
    terminal = Terminal(place)
    assert terminal.ended() == 0
    assert "out of a function" in terminal.shown
    assert "unended" in terminal.shown


def test_what_functions_print_into_a_pipe_goes_there(place: Path) -> None:
    write_texts(place / "texts", prints="")
    with open(place / "printed", "wb") as file:
        terminal = Terminal(place, stdout=file.fileno())
    assert terminal.ended() == 0
    assert (place / "printed").read_text() == "out of a function\nunended"
    assert "out of a function" not in terminal.shown


def test_a_name_cannot_command_the_terminal(place: Path) -> None:
    name = os.fsdecode(b"evil\x1b[2J\xe9\n.txt")
    (place / "texts" / name).write_text("x")
    terminal = Terminal(place)
    assert terminal.ended() == 0
    assert "\x1b[2J" not in terminal.shown


def test_a_terminal_that_goes_away_does_not_end_the_stage(place: Path) -> None:
    write_texts(place / "texts", **{f"n{number:03}": "x" for number in range(100)})
    terminal = Terminal(place, stdout=subprocess.DEVNULL)
    assert terminal.hang_up() == 0
    assert (place / "target/_dirops/manifest.json").exists()


@pytest.mark.parametrize("options", ["{}", "dict(workers=2)"])
def test_elsewhere_there_is_no_trace(place: Path, options: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "FORCE_COLOR": "1"}
    command = [sys.executable, "-c", STAGE + "\nassert 'rich' not in sys.modules", options]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("broken", ["sys.stderr = None", "sys.stderr.close()"])
def test_without_a_stderr(place: Path, broken: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", f"import sys; {broken}\n{STAGE}", "{}"]
    assert subprocess.run(command, cwd=place, env=environment, check=False).returncode == 0
    assert (place / "target/_dirops/manifest.json").exists()


def test_a_callback_goes_before_the_bar(place: Path) -> None:
    terminal = Terminal(place, "dict(on_progress=lambda progress: None)")
    assert (terminal.ended(), terminal.shown) == (0, "")
