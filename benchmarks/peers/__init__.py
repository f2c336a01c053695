"""Other libraries doing the same work, each in the idiom of its documentation and in an environment of its own.

A module here is run by that environment's Python, which has numpy and scikit-image but nothing of ours; the module's
``.txt`` says what is installed there.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


class PeerMissing(Exception):
    """A peer cannot be run here; says why."""


@dataclass(frozen=True)
class Peer:
    """A contender of another library.

    :param library: its module here.
    :param options: for the module's ``run``.
    """

    library: str
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, source: Path, scratch: Path) -> None:
        import_module(f"{__name__}.{self.library}").run(source, scratch, **self.options)


def _peers_of(case: str) -> dict[str, Peer]:
    return {
        f"{case}: luisy's directory pattern": Peer("luisy", {"case": case}),
        f"{case}: Kedro PartitionedDataset": Peer("kedro", {"case": case}),
        f"{case}: Dask bag": Peer("dask", {"case": case, "scheduler": "synchronous"}),
        f"{case}: Dask bag, 2 threads": Peer("dask", {"case": case, "scheduler": "threads"}),
        f"{case}: Dask bag, 2 processes": Peer("dask", {"case": case, "scheduler": "processes"}),
        f"{case}: Ray Data, 2 workers": Peer("ray", {"case": case}),
    }


PEERS: dict[str, Peer] = _peers_of("images") | _peers_of("python")


def pinned() -> list[str]:
    """The peers' versions, as their requirements pin them."""
    return [requirements.read_text().splitlines()[0].replace("==", " ") for requirements in sorted(_HERE.glob("*.txt"))]


@cache
def python_of(library: str, environments: Path) -> Path:
    """The Python of a peer's environment, which is made on first use.

    :raises PeerMissing: if it cannot be made, with the last line of what pip said.
    """
    folder, requirements = environments / library, _HERE / f"{library}.txt"
    python, installed = folder / "bin" / "python", folder / requirements.name
    if not installed.exists() or installed.read_text() != requirements.read_text():
        print(f"installing {library} into {folder}", file=sys.stderr)
        _run(sys.executable, "-m", "venv", "--clear", folder)
        _run(python, "-m", "pip", "install", "--quiet", "--requirement", requirements)
        installed.write_text(requirements.read_text())
    return python


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
        raise PeerMissing(said[-1])
