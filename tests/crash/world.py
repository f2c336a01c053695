"""A small world for a stage: its sources, its target, and the warm process that runs jobs on them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.crash import checker
from tests.crash.shim import NOTHING, Strike

ROOT = Path(__file__).parents[2]
FILES = {
    "a.raw": b"first",
    "deep/b.raw": b"",
    "deep/er/c.raw": bytes(range(256)) * 1200,  # more than one write
    "deep/er/d.raw": b"d" * 5000,
    "note.txt": b"gives nothing",
    "z é.raw": b"last",
}
SUFFIX = ".bin"


@dataclass(frozen=True)
class Ended:
    """How a job ended."""

    status: str
    result: dict[str, Any] | None = None
    error: str = ""
    families: tuple[str, ...] = ()
    message: str = ""
    trace: str = ""
    calls: int = 0
    signal: int = 0


class Warm:
    """The client of a warm process (:mod:`tests.crash.warm`).

    :param within: a command that the process is started by.
    """

    def __init__(self, library: Path, package: Path = ROOT, within: Sequence[str | Path] = ()) -> None:
        environment = os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": f"{package}{os.pathsep}{ROOT}"}
        self._process = subprocess.Popen(
            [*within, sys.executable, "-m", "tests.crash.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=ROOT,
            text=True,
        )
        self._running: set[int] = set()

    def start(self, job: str, arguments: dict[str, Any], **options: Any) -> int:
        """Start a job in a child; returns its process id."""
        pid = self._ask({"start": job, "arguments": arguments} | options)["pid"]
        self._running.add(pid)
        return int(pid)

    def wait(self, pid: int, seconds: float = 30) -> Ended:
        """Wait until a child ends or stops; its status is ``running`` if it does neither in time."""
        answer = self._ask({"wait": pid, "seconds": seconds})
        if answer["status"] in ("exited", "killed"):
            self._running.discard(pid)
        return Ended(**answer)

    def go_on(self, pid: int) -> None:
        self._ask({"signal": pid, "number": "SIGCONT"})

    def close(self) -> None:
        for pid in list(self._running):
            self._ask({"signal": pid, "number": "SIGKILL"})
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@dataclass(frozen=True)
class World:
    """A directory with a target in it.

    :param plain: its file system cannot exchange names.
    """

    warm: Warm
    root: Path
    sources: Path
    plain: bool = False
    defaults: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> Path:
        return self.root / "day"

    @property
    def control(self) -> Path:
        return checker.control_of(self.target)

    def start(
        self,
        job: str = "stage",
        *,
        strike: Strike = NOTHING,
        trace: Path | None = None,
        reads: int = 0,
        **arguments: Any,
    ) -> int:
        """Start a job on the target. ``source`` names one of the sources."""
        if "source" in arguments:
            arguments["source"] = str(self.sources / arguments["source"])
        return self.warm.start(
            job,
            {"target": str(self.target)} | arguments,
            watch=str(self.root),
            strike=vars(strike),
            plain=self.plain,
            reads=reads,
            trace=str(trace or ""),
        )

    def run(self, job: str = "stage", **options: Any) -> Ended:
        return self.warm.wait(self.start(job, **options))

    def commit(self, **arguments: Any) -> str:
        """Run a stage that must commit; returns the snapshot's id."""
        ended = self.run(**arguments)
        if not ended.result or ended.result["outcome"] != "committed":
            raise AssertionError(f"{arguments} did not commit: {ended}")
        return str(ended.result["snapshot"])

    def hold(self, **arguments: Any) -> str:
        """Run a stage that must hold what it makes; returns the snapshot's id."""
        ended = self.run("stage", publish="hold", **arguments)
        if not ended.result or ended.result["outcome"] != "held":
            raise AssertionError(f"{arguments} held nothing: {ended}")
        return str(ended.result["snapshot"])

    def crash(self, strike: Strike, job: str = "stage", **arguments: Any) -> None:
        """Run a job that must die at the strike."""
        ended = self.run(job, strike=strike, **arguments)
        if ended.status != "killed":
            raise AssertionError(f"{strike} did not happen: {ended}")

    def copied(self, root: Path) -> World:
        """The same world elsewhere. Trees are hard links, so that files keep their inodes."""
        _link_tree(self.root, root)
        return replace(self, root=root)

    @contextmanager
    def copy(self, root: Path) -> Iterator[World]:
        """The same world elsewhere, for one experiment."""
        try:
            yield self.copied(root)
        finally:
            shutil.rmtree(root)


def make_sources(directory: Path) -> None:
    """``one``; ``two``, where a file is changed, one removed and one added; ``few``, which has two files."""
    one, two = directory / "one", directory / "two"
    for name, content in FILES.items():
        _write(one / name, content)
    _link_tree(one, two)
    (two / "a.raw").unlink()
    (two / "deep/er/d.raw").unlink()
    _write(two / "deep/er/d.raw", b"changed")
    _write(two / "new/e.raw", b"added")
    for name in ("a.raw", "deep/b.raw"):
        _write(directory / "few" / name, FILES[name])


def made_of(source: Path, mark: str) -> checker.Content:
    """What a stage makes of a source, worked out without the package."""
    return {
        str(path.relative_to(source).with_suffix(SUFFIX)): hashlib.sha256(mark.encode() + path.read_bytes()).hexdigest()
        for path in source.rglob("*.raw")
    }


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _link_tree(source: Path, target: Path) -> None:
    target.mkdir()
    for entry in os.scandir(source):
        there = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            _link_tree(Path(entry.path), there)
        elif _is_written_in_place(Path(entry.path)):
            shutil.copy2(entry.path, there)
        else:
            os.link(entry.path, there)
    shutil.copystat(source, target)


def _is_written_in_place(path: Path) -> bool:
    """The lock and what lies beside it, and an attempt's own files; trees are never written again."""
    return ".dirops" in (path.parts[-3:-2] + path.parts[-5:-4])
