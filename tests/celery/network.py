"""A network of hosts that are processes of this machine, and of this process as one of them; gone when it ends."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.celery.container import INTERFACE
from tests.celery.images import CHECKOUT

_TIED = ("setpriv", "--pdeathsig", "KILL")
_SWITCH = "switch"


@dataclass(frozen=True)
class Network:
    """Addresses ``198.18.<number>.<host>``, which are kept for tests of networks (RFC 2544): nobody routes them.

    :param switch: the process in whose network namespace all ends meet.
    """

    number: int
    switch: int

    def address(self, host: int) -> str:
        return f"198.18.{self.number}.{host}"

    def join(self, process: int, host: int) -> None:
        """Give a process in a network namespace of its own an interface, whose address it sets itself.

        The hardware's address follows from the host's, so that a host that comes back is found at once.
        """
        hardware = f"02:00:c6:12:{self.number:02x}:{host:02x}"
        self._in_switch("link", "delete", f"host{host}", check=False)  # of one that has just ended
        end = ("peer", "name", INTERFACE, "address", hardware, "netns", str(process))
        self._in_switch("link", "add", f"host{host}", "type", "veth", *end)
        self._plug(f"host{host}")

    def _plug(self, end: str) -> None:
        self._in_switch("link", "set", end, "master", _SWITCH)
        self._in_switch("link", "set", end, "up")

    def _in_switch(self, *arguments: str, check: bool = True) -> None:
        enter = ["nsenter", f"--net=/proc/{self.switch}/ns/net"]
        subprocess.run([*enter, "ip", *arguments], check=check, capture_output=not check)


@contextmanager
def network() -> Iterator[Network]:
    """Make one; this process is its host 1."""
    number = os.getpid() % 256
    ours = f"dirops{os.getpid()}"
    with subprocess.Popen([*_TIED, "unshare", "--net", "sleep", "infinity"]) as switch:
        try:
            _wait_for_namespace(switch.pid, "net")
            made = Network(number, switch.pid)
            made._in_switch("link", "add", _SWITCH, "type", "bridge")
            made._in_switch("link", "set", _SWITCH, "up")
            _ip("link", "add", ours, "type", "veth", "peer", "name", "host1", "netns", str(switch.pid))
            made._plug("host1")
            _ip("address", "add", f"{made.address(1)}/24", "dev", ours)
            _ip("link", "set", ours, "up")
            yield made
        finally:
            switch.kill()  # and with its namespace go the bridge and every pair


def start(command: Sequence[str | Path], *, log: Path) -> subprocess.Popen[bytes]:
    """Start a command in namespaces of its own; all that it starts ends when it does, or this process."""
    namespaces = ("--net", "--uts", "--mount", "--pid", "--fork", "--kill-child")
    with log.open("ab") as file:
        return subprocess.Popen(
            [*_TIED, "unshare", *namespaces, *command],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def first_process(starter: subprocess.Popen[bytes]) -> int:
    """The process with the number 1 of what was started."""
    children = Path(f"/proc/{starter.pid}/task/{starter.pid}/children")
    while not (found := children.read_text().split()):
        if starter.poll() is not None:
            raise RuntimeError(f"{starter.args} ended with {starter.returncode}")
        time.sleep(0.01)
    return int(found[0])


def _wait_for_namespace(process: int, kind: str) -> None:
    own = os.stat(f"/proc/self/ns/{kind}").st_ino
    while os.stat(f"/proc/{process}/ns/{kind}").st_ino == own:
        time.sleep(0.01)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
