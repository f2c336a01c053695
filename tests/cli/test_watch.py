"""``dirops watch``: how far a running attempt is, and how it ended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dirops.core import errors, read_directory
from tests.cli.calls import dirops, dirops_process
from tests.text_files import read_text, write

SLOW = """
import sys, time
from airflow_dirops.core import read_directory

def slow(path):
    time.sleep(0.2)
    return "x"

read_directory(source="raw", target="t", read=slow, codec="text", stage="dag.slow", run="monday", durability="process")
"""


def test_it_ends_with_the_commit(tmp_path: Path) -> None:
    write(tmp_path / "raw", **{f"f{number:02}": "x" for number in range(20)})
    process = subprocess.Popen([sys.executable, "-c", SLOW], cwd=tmp_path)
    try:
        while not (tmp_path / ".dirops/t/attempts").is_dir() or not [*(tmp_path / ".dirops/t/attempts").iterdir()]:
            assert process.poll() is None
        done = dirops_process("watch", "t", "--every", "0.2", "--json", cwd=tmp_path)
    finally:
        process.kill()
        process.wait()
    assert done.returncode == 0, done.stderr
    *looks, last = map(json.loads, done.stdout.splitlines())
    assert {look["state"] for look in looks} == {"at work"}
    assert last["state"] == "committed"
    counts = [look["attempts"][0]["done"] for look in looks]
    assert counts == sorted(counts)
    assert looks[-1]["attempts"][0]["total"] == 20


def test_nobody_is_at_work(tmp_path: Path) -> None:
    write(tmp_path / "raw", a="a")
    read_directory(source=tmp_path / "raw", target=tmp_path / "t", read=read_text, codec="text", stage="s")
    done = dirops("watch", "t", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "nobody is at work here, and nothing is left of anybody\n")
    with pytest.raises(errors.InputError):
        read_directory(source=tmp_path / "raw", target=tmp_path / "u", read=lambda _: 1 / 0, codec="text", stage="s")
    done = dirops("watch", "u", cwd=tmp_path)
    assert done.returncode == 1
    assert "has died, with 1 of 1 inputs, 1 quarantined" in done.stdout
