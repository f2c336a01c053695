"""``airflow dirops`` is ``dirops``: the same commands, output and exit codes, with Airflow's settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dirops.core import read_directory
from airflow_dirops.testing.airflow_home import isolated_home
from tests.text_files import damage, read_text, write


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *program.split(), *arguments]
    return subprocess.run(command, cwd=isolated_home(), text=True, capture_output=True)


@pytest.fixture
def target(root: Path) -> Path:
    write(root / "raw", one="a", two="b")
    read_directory(source=root / "raw", target=root / "interim/words", read=read_text, codec="text")
    return root / "interim/words"


def test_airflow_does_what_the_command_does(target: Path) -> None:
    for arguments in (("verify", "--recursive", "interim", "--json"), ("verify", "--deep", "interim/words", "--json")):
        ours, airflows = run("airflow_dirops", *arguments), run("airflow dirops", *arguments)
        assert json.loads(airflows.stdout) == json.loads(ours.stdout), airflows.stderr
        assert (ours.returncode, airflows.returncode) == (0, 0)
        damage(target / "one.txt")
        ours, airflows = run("airflow_dirops", *arguments, "--deep"), run("airflow dirops", *arguments, "--deep")
        assert (ours.returncode, airflows.returncode) == (1, 1)
        assert airflows.stdout == ours.stdout
        damage(target / "one.txt")  # the same bits again: it is whole
    failed = run("airflow dirops", "show", "nowhere")
    assert failed.returncode == 2
    assert "nowhere" in failed.stderr


def test_without_arguments_it_lists_the_commands() -> None:
    said = run("airflow dirops")
    assert "accept-removal" in said.stdout + said.stderr
    assert "Look after the directories that stages commit" in run("airflow", "--help").stdout
