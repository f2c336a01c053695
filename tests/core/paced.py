"""A stage in a process of its own, which waits to be told at each gate: before every file, and before its commit."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from airflow_dirops.core import read_directory
from airflow_dirops.core.disk.durable import ExchangeUnsupported
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.places.directory import place, swap

# What changes names, and so what a crash can fall between; exchanging names is the one that Python does not audit.
_CHANGES = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link"})
_PATIENCE_SECONDS = 60


class PacedStage:
    """Begins at once, and goes on when told. It is forked, so whatever is held here is inherited and let go there.

    :param plain: the file system cannot exchange names.
    :param options: of the stage, without ``read``: its function gives a file's text, and nothing for ``none.txt``.
    """

    def __init__(self, *, plain: bool = False, **options: Any) -> None:
        ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            _act(theirs, plain, options)
        theirs.close()
        ours.settimeout(_PATIENCE_SECONDS)
        self._channel = ours
        self._lines = ours.makefile("r")
        self.said = self._listen()

    @property
    def waits_for(self) -> str | None:
        """The file it would read next, ``"commit"``, or None once it has ended."""
        return self.said.get("gate")

    @property
    def ended(self) -> str | None:
        """The outcome or the kind of error it ended with, ``"killed"``, or None while it lives."""
        return self.said.get("ended")

    def go_on(self, die_before: int = 0) -> None:
        """Pass the gate.

        :param die_before: be killed before the change of this number, counted from the gate.
        """
        self._channel.sendall(b"%d\n" % die_before)
        self.said = self._listen()

    def kill(self) -> None:
        if self.ended is None:
            os.kill(self._pid, signal.SIGKILL)
            self.said = self._listen()

    def _listen(self) -> dict[str, Any]:
        line = self._lines.readline()
        said = json.loads(line) if line else {"ended": "killed"}
        if "ended" in said:
            os.waitpid(self._pid, 0)
            self._lines.close()
            self._channel.close()
        return said


def _act(channel: socket.socket, plain: bool, options: dict[str, Any]) -> None:
    """The child: never returns."""
    try:
        gc.disable()  # what the parent left behind must not close descriptors here
        _close_all_but(channel.fileno())
        _say(channel, _run(_Gates(channel), plain, options))
    finally:
        os._exit(0)


def _run(gates: _Gates, plain: bool, options: dict[str, Any]) -> dict[str, Any]:
    def read(path: str) -> str | None:
        gates.wait(os.path.basename(path))
        text = Path(path).read_text()
        return None if path.endswith("none.txt") else text

    def commit(*arguments: Any) -> None:
        gates.wait("commit")
        committing(*arguments)

    committing, place.commit = place.commit, commit
    if plain:
        swap.exchange = _cannot_exchange
    try:
        outcome = read_directory(read=read, codec="text", durability="process", empty="commit", **options)
    except DiropsError as error:
        return {"ended": type(error).__name__, "message": str(error)}
    except Exception as error:
        return {"ended": f"not ours: {error!r}"}
    return {"ended": outcome.outcome, "snapshot": outcome.snapshot}


def _cannot_exchange(*_: object) -> None:
    raise ExchangeUnsupported


class _Gates:
    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._answers = channel.makefile("r")

    def wait(self, gate: str) -> None:
        _say(self._channel, {"gate": gate})
        if die_before := int(self._answers.readline() or os._exit(0)):
            _die_before(die_before)


def _die_before(number: int) -> None:
    left = number

    def count(event: str, _: object) -> None:
        nonlocal left
        if event in _CHANGES:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def _say(channel: socket.socket, what: dict[str, Any]) -> None:
    channel.sendall(json.dumps(what).encode() + b"\n")


def _close_all_but(kept: int) -> None:
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
