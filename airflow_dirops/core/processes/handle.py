"""The parent's side of one worker: what it has been given, and what is left of that when it dies."""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from typing import NamedTuple

from airflow_dirops.core.processes.ledger import Page, Position
from airflow_dirops.core.processes.messages import Channel, Chunk, Reply
from airflow_dirops.core.processes.process import describe_exit


class Done(NamedTuple):
    """An item with its answer."""

    item: bytes
    answer: bytes


class Lost(NamedTuple):
    """An item that cost its worker.

    :param reason: "killed by SIGSEGV", "ended with exit code 3", "timed out after 5 s".
    :param is_killed: by SIGKILL, as the kernel does where memory is short.
    """

    item: bytes
    reason: str
    is_timeout: bool = False
    is_killed: bool = False


class Handle:
    """A worker, and its successors in the same place.

    :param number: its place in the pool.
    """

    def __init__(self, number: int, page: Page) -> None:
        self.number = number
        self.chunks: deque[Chunk] = deque()
        self.channel: Channel | None = None
        self._page = page
        self._answered = 0
        self._overdue: Position | None = None

    def open(self, connection: socket.socket) -> Channel:
        """A new worker is in this place."""
        self._page.clear()
        self._answered = 0
        self._overdue = None
        self.channel = Channel(connection)
        return self.channel

    def close(self) -> None:
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def give(self, chunk: Chunk) -> None:
        """Hand over a chunk."""
        self.chunks.append(chunk)
        if self.channel is not None:
            self.channel.send(chunk)

    def take(self, reply: Reply) -> tuple[list[Done], Chunk]:
        """What a reply brings: finished items, and those that the worker gives back."""
        chunk = self.chunks.popleft()
        self._answered += len(reply.answers)
        done = [Done(item, answer) for item, answer in zip(chunk, reply.answers, strict=False)]
        return done, chunk[len(done) :]

    def seconds_left(self, now: float, timeout: float) -> float:
        """How long the item that the worker is on may still take; as long as any if it is on none."""
        _, since = self._page.watch()
        return timeout if since is None or self._overdue else since + timeout - now

    def is_overdue(self, now: float, timeout: float) -> bool:
        """Whether its item has taken too long; says so once."""
        position, since = self._page.watch()
        if self._overdue or since is None or now - since <= timeout:
            return False
        self._overdue = position
        return True

    def bury(self, status: int, timeout: float | None) -> tuple[list[Done | Lost], Chunk]:
        """What a worker that died leaves, all its replies having been taken: finished items, and the ones to do again.

        :param status: how it ended, as :func:`os.waitpid` says.
        """
        position = self._page.position
        rest = [item for chunk in self.chunks for item in chunk]
        answers = self._page.unsent(min(len(rest), max(0, position.finished - self._answered)))
        done: list[Done | Lost] = [Done(item, answer) for item, answer in zip(rest, answers, strict=False)]
        rest = rest[len(done) :]
        # One that was found overdue, and killed a moment later on its next item, does not cost that one.
        if rest and position.is_busy and self._overdue in (None, position):
            done.append(self._lost(rest.pop(0), status, timeout))
        self.chunks.clear()
        self.close()
        return done, rest

    def _lost(self, item: bytes, status: int, timeout: float | None) -> Lost:
        if self._overdue is None:
            return Lost(item, describe_exit(status), is_killed=os.waitstatus_to_exitcode(status) == -signal.SIGKILL)
        return Lost(item, f"timed out after {timeout:g} s", is_timeout=True)
