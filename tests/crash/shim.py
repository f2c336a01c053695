"""The preloaded library that numbers, kills, stops and refuses file-system calls: built, told what to do, and read."""

from __future__ import annotations

import ctypes
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests import needs

SOURCE = Path(__file__).with_name("failpoint.c")


@dataclass(frozen=True)
class Strike:
    """What happens at which call; see ``failpoint.c``.

    :param what: ``kill-before``, ``kill-after``, ``stop-before``, ``stop-after``, ``fail``, ``fail-on``,
        ``fail-after`` or ``lie``.
    :param at: at which call, from 1, of those that match.
    :param match: text that a call's name and paths must contain.
    :param errno: what a failing call answers.
    """

    what: str = ""
    at: int = 0
    match: str = ""
    errno: int = 0

    def __str__(self) -> str:
        answer = f" with {os.strerror(self.errno)!r}" if self.errno else ""
        return f"{self.what} call {self.at}{f' of {self.match!r}' if self.match else ''}{answer}"


NOTHING = Strike()


@dataclass(frozen=True)
class Call:
    """A line of a trace.

    :param until: the number of the newest call when this one returned; what is numbered higher began later.
    """

    number: int
    until: int
    name: str
    path: str
    other: str
    answer: int
    errno: int


def build(directory: Path) -> Path:
    """Compile the library; skip the test where nothing can."""
    library = directory / "failpoint.so"
    compiler = needs.program(os.environ.get("CC", "cc"), "gcc", "clang")
    command = [compiler, "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"]
    subprocess.run(command, check=True)
    return library


def arm(root: str, strike: Strike, *, plain: bool = False, reads: int = 0, trace: str = "") -> None:
    """Watch the calls of this process beneath a directory. The library must have been preloaded."""
    ctypes.CDLL(None).failpoint_arm(
        os.fsencode(root),
        strike.what.encode(),
        ctypes.c_long(strike.at),
        strike.match.encode(),
        strike.errno,
        int(plain),
        int(reads),
        os.fsencode(trace),
    )


def count_calls() -> int:
    """How many calls this process and its children have made since it was armed."""
    return int(ctypes.CDLL(None).failpoint_calls())


def read_trace(path: Path) -> list[Call]:
    """The calls of a trace, in the order in which they began."""
    calls = []
    for line in path.read_text().splitlines():
        number, until, name, first, other, answer, errno = line.split("\t")
        calls.append(Call(int(number), int(until), name, first, other, int(answer), int(errno)))
    return sorted(calls, key=lambda call: call.number)
