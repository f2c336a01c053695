"""What the stages of the tests' DAGs read, and a fresh start for one of them."""

from __future__ import annotations

import shutil
from pathlib import Path

NUMBERS = {f"row_{number:02}": f"{number} {number + 1} {number + 2}" for number in range(40)}
QUICK = {f"quick_{number:02}": "quick" for number in range(40)}
# Last in the order of keys: the quick ones are done when a worker stands at the gate.
WAITING = {f"waits_{number}": "waits" for number in range(6)}


def forget(data: Path, name: str) -> None:
    """Remove what a stage reads, and all that it has left: tests share a cluster, and so its folders."""
    for folder in (f"raw/{name}", f"interim/{name}", f"interim/.dirops/{name}"):
        shutil.rmtree(data / folder, ignore_errors=True)
