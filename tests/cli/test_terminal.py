"""The command at a terminal: its version, its help, completion, and the ways in which it is cut short."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from contextlib import suppress
from pathlib import Path

import pytest

import airflow_dirops
from airflow_dirops.core import read_directory
from tests.cli.calls import COMMAND, dirops_process, environment, parsed


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    for number in range(500):
        (tmp_path / f"raw/{'n' * 200}{number}.txt").touch()
    (tmp_path / "raw/\u00e9t\u00e9.txt").touch()
    (tmp_path / "few").mkdir()
    (tmp_path / "few/a.txt").touch()
    read_directory(source=tmp_path / "few", target=tmp_path / "out", read=lambda path: "", codec="text", stage="few")
    return tmp_path


def test_version(tmp_path: Path) -> None:
    done = dirops_process("--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"airflow-dirops {airflow_dirops.__version__} (manifests: dirops/1)\n"


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = dirops_process(*arguments, cwd=tmp_path)
    text = done.stdout + done.stderr
    assert all(name in text for name in ("show", "log", "verify", "repair", "rollback", "clean", "plan", "--version"))


def test_completion(tmp_path: Path) -> None:
    done = dirops_process("--show-completion", "bash", cwd=tmp_path, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0, done.stderr
    assert "complete" in done.stdout
    assert "dirops" in done.stdout


def test_a_reader_that_has_enough(place: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "plan", "raw", "fresh"],
        cwd=place,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 128 + signal.SIGPIPE


def take_sigint() -> None:
    """A shell that started the tests with "&" has it ignored, in their children too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c(place: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "plan", "raw", "fresh"],
        cwd=place,
        env=environment(TMPDIR=str(tmp_path / "few")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=take_sigint,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        time.sleep(0.2)  # by now it waits for the pipe to be read
        running.send_signal(signal.SIGINT)
        running.stdout.read()
        errors = running.stderr.read()
    assert b"Traceback" not in errors
    assert running.returncode == 128 + signal.SIGINT
    assert [path.name for path in (tmp_path / "few").iterdir()] == ["a.txt"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_without_every_letter(place: Path, encoding: str) -> None:
    done = subprocess.run(
        [*COMMAND, "plan", "raw", "fresh"],
        cwd=place,
        env=environment(PYTHONIOENCODING=encoding),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "été.txt".encode(encoding, "backslashreplace") in done.stdout


@pytest.mark.parametrize(("columns", "is_table"), [(200, True), (60, False), (20, False)])
def test_a_narrow_terminal_gets_lines_instead_of_columns(place: Path, columns: int, is_table: bool) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with (
        os.fdopen(ours, "rb", buffering=0) as terminal,
        subprocess.Popen([*COMMAND, "log", "out"], cwd=place, env=environment(TERM="xterm"), stdout=theirs),
    ):
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how Linux says that nobody writes there any longer
            while read := terminal.read(4096):
                shown += read
    assert ("│" in shown.decode()) == is_table
    (snapshot,) = (row["snapshot"] for row in parsed("log", "out", cwd=place))
    assert snapshot.encode() in shown


def test_no_colour_where_none_is_wanted(place: Path) -> None:
    for changes in ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"TERM": "dumb"}, {}):
        assert "\x1b[3" not in dirops_process("show", "nowhere", cwd=place, **changes).stderr


def test_the_module_and_the_script_are_one(place: Path) -> None:
    script = os.path.join(os.path.dirname(COMMAND[0]), "dirops")
    if not os.path.exists(script):
        pytest.skip("the script dirops is not installed beside this Python")
    by_script = subprocess.run([script, "show", "out"], cwd=place, env=environment(), capture_output=True, check=True)
    assert by_script.stdout.decode() == dirops_process("show", "out", cwd=place).stdout


def test_an_answer_that_cannot_be_printed(place: Path) -> None:
    for arguments in (["show", "out"], ["show", "--json", "out"], ["plan", "raw", "fresh"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [*COMMAND, *arguments], cwd=place, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True
            )
        said = "storage-error: the result could not be printed: No space left on device\n"
        assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)])
def test_a_shell_that_has_closed_what_is_printed_to(place: Path, closed: str, code: int) -> None:
    typed = " ".join([*COMMAND, "verify", "out", closed])
    done = subprocess.run(["sh", "-c", typed], cwd=place, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, "")
