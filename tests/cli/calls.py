"""``dirops`` as a process of its own, in a working directory and with an environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "airflow_dirops"]


def environment(**changes: str) -> dict[str, str]:
    """Without settings of Airflow, so that only those of the test count."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "COLUMNS"))}
    return ours | {"PYTHONPATH": str(Path(__file__).parents[2]), "AIRFLOW_HOME": "/nonexistent"} | changes


def dirops(*arguments: object, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        check=False,
    )


def parsed(*arguments: object, cwd: Path, **changes: str) -> Any:
    done = dirops(*arguments, "--json", cwd=cwd, **changes)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
