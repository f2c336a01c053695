"""Something that listens where Airflow sends its metrics."""

from __future__ import annotations

import socket
import threading


class Receiver:
    """A UDP socket of loopback, as StatsD has one, that keeps what comes of this package."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.lines: list[str] = []
        threading.Thread(target=self._receive, daemon=True).start()

    def of(self, task: str) -> dict[str, str]:
        """What came of a task, ``dag.task``: the values by name, without what goes before all names."""
        named = (line.removeprefix("airflow.").partition(":") for line in [*self.lines])
        return {name: value for name, _, value in named if f".{task}" in name}

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> None:
        while self._socket.fileno() >= 0:
            try:
                text = self._socket.recv(65_536).decode()
            except OSError:
                return
            self.lines += [line for line in text.splitlines() if "dirops." in line]
