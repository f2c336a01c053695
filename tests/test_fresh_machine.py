"""The tests themselves on a machine where nothing but Python and pip's packages is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import INSTALLED_BY

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment with no program to be found, and no FUSE."""
    return os.environ | {
        "PATH": str(tmp_path),
        "FUSE_LIBRARY_PATH": str(tmp_path / "libfuse.so"),
        "PYTHONPATH": str(ROOT),
    }


def test_every_test_can_be_collected(bare: dict[str, str]) -> None:
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(collect, cwd=ROOT, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("program", ["benchmarks", "demo"])
def test_programs_can_say_what_they_do(bare: dict[str, str], program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", program, "--help"], cwd=ROOT, env=bare, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


@pytest.mark.parametrize("script", INSTALLED_BY)
def test_what_a_skipped_test_advises_is_there(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
