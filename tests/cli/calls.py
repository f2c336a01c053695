"""``dirops`` in a working directory and with an environment: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from airflow_dirops.cli.main import app

COMMAND = [sys.executable, "-m", "airflow_dirops"]
_NOWHERE = {"AIRFLOW_HOME": "/nonexistent"}


def _is_setting(name: str) -> bool:
    return name.startswith(("AIRFLOW", "COLUMNS"))


def environment(**changes: str) -> dict[str, str]:
    """Without settings of Airflow, so that only those of the test count."""
    ours = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    return ours | {"PYTHONPATH": str(Path(__file__).parents[2])} | _NOWHERE | changes


def dirops(*arguments: object, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """In this process: fast, for what needs no terminal and no module of the working directory."""
    hidden = dict.fromkeys(filter(_is_setting, os.environ))
    with chdir(cwd):
        done = CliRunner().invoke(app, [*map(str, arguments)], env=hidden | _NOWHERE | changes)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def dirops_process(*arguments: object, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment(**changes), capture_output=True, text=True, check=False)


def parsed(*arguments: object, cwd: Path, **changes: str) -> Any:
    done = dirops(*arguments, "--json", cwd=cwd, **changes)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
