"""The public names: looked up when first asked for, and known to type checkers."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["airflow_dirops", "airflow_dirops.core"]


def run(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_can_be_had_in_every_way(package: str) -> None:
    names = importlib.import_module(package).__all__
    ways = f"from {package} import *; import {package} as it; print(sorted(set(it.__all__) - set(globals())), dir(it))"
    assert run("-c", ways) == f"[] {names}\n"


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("eager", ["", "1"])
def test_names_are_imported_when_asked_for_or_all_at_once(package: str, eager: str) -> None:
    script = f"import {package} as it; print(len(vars(it).keys() & set(it.__all__)))"
    count = len(importlib.import_module(package).__all__)
    assert run("-c", script, EAGER_IMPORT=eager) == f"{count if eager else 0}\n"


def test_a_type_checker_knows_every_name(tmp_path: Path) -> None:
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed; it is in pyproject.toml's dependency group check")
    names = [(package, name) for package in PACKAGES for name in importlib.import_module(package).__all__]
    script = tmp_path / "uses_every_name.py"
    # The two packages have one name in common.
    uses = "from {0} import {1} as {2}\nreveal_type({2})\n"
    lines = [uses.format(package, name, f"{package}.{name}".replace(".", "_")) for package, name in names]
    script.write_text("".join(lines))
    said = run("-m", "mypy", "--strict", "--follow-imports=silent", f"--cache-dir={tmp_path / 'cache'}", str(script))
    revealed = [line for line in said.splitlines() if "Revealed type" in line]
    assert len(revealed) == len(names)
    assert not [line for line in revealed if 'is "Any"' in line]
