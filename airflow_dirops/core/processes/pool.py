"""Give items to workers, take their answers, and say which item a dead or hung worker was on."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from types import TracebackType
from typing import Self

from airflow_dirops.core.errors import SetupError
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.processes.cpus import available_cpus
from airflow_dirops.core.processes.failures import unpack_error
from airflow_dirops.core.processes.fork_server import ForkServer
from airflow_dirops.core.processes.handle import Done, Handle, Lost
from airflow_dirops.core.processes.ledger import make_pages
from airflow_dirops.core.processes.messages import Channel, Chunk
from airflow_dirops.core.processes.pace import Pace
from airflow_dirops.core.processes.process import describe_exit
from airflow_dirops.core.processes.signals import held_back
from airflow_dirops.core.processes.worker import Job, work

log = logger(__name__)

# The kernel may kill a worker between two items, for want of memory; several in a row are no accident.
_MAX_DEATHS_IN_A_ROW = 3


class WorkerPool:
    """A number of forked workers, each with a job of its own.

    Enter it before the first thread starts. Leaving it kills what still runs, so that no process stays behind.

    :param count: how many workers; they are forked as items come.
    :param start: called in each worker, which has inherited all that it refers to; returns the worker's job.
    :param timeout: the seconds that one item may take; then its worker is killed.
    """

    def __init__(self, count: int, start: Callable[[], Job], *, timeout: float | None = None) -> None:
        self._count = count
        self._start = start
        self._timeout = timeout
        self._again: deque[bytes] = deque()
        self._pace = Pace()
        self._deaths_in_a_row = 0
        self.deaths = 0
        """Workers that have died, on an item or between two."""

    def __enter__(self) -> Self:
        pages = make_pages(self._count)
        start, threads = self._start, max(1, available_cpus() // self._count)
        with ExitStack() as closing, held_back():
            self._server = ForkServer(lambda number, connection: work(pages[number], connection, start, threads))
            closing.callback(self._server.close)
            self._workers = [Handle(number, page) for number, page in enumerate(pages)]
            for worker in self._workers:
                closing.callback(worker.close)
            self._selector = closing.enter_context(selectors.DefaultSelector())
            self._selector.register(self._server, selectors.EVENT_READ)
            self._closing = closing.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with held_back():
            self._closing.close()

    def run(self, items: Iterable[bytes]) -> Iterator[Done | Lost]:
        """Do every item, in any order. Takes from ``items`` only what the workers have room for.

        :raises SetupError: if workers cannot be forked, or die one after the other before they have done anything.
        """
        source = iter(items)
        while self._hand_out(source):
            yield from self._gather()

    def _hand_out(self, source: Iterator[bytes]) -> bool:
        """Whether any worker has something to do."""
        # Everyone gets a first chunk before anyone gets a second.
        for had in range(self._pace.depth):
            for worker in self._workers:
                if len(worker.chunks) == had and (chunk := self._cut(source)):
                    self._give(worker, chunk)
        return any(worker.chunks for worker in self._workers)

    def _cut(self, source: Iterator[bytes]) -> Chunk:
        size = self._pace.chunk
        return [self._again.popleft() for _ in range(min(size, len(self._again)))] or list(islice(source, size))

    def _give(self, worker: Handle, chunk: Chunk) -> None:
        if worker.channel is None:
            channel = worker.open(self._server.fork(worker.number))
            self._selector.register(channel, selectors.EVENT_READ, worker)
        worker.give(chunk)
        self._watch(worker)

    def _watch(self, worker: Handle) -> None:
        """Wait for what the worker's socket is due to do next."""
        channel = worker.channel
        if channel is None or channel not in self._selector.get_map():
            return
        if channel.is_closed_there:
            self._selector.unregister(channel)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.has_unsent else 0)
        if events != self._selector.get_key(channel).events:
            self._selector.modify(channel, events, worker)

    def _gather(self) -> list[Done | Lost]:
        """Wait until something happens, and return what is done by then."""
        done: list[Done | Lost] = []
        ready = [key for key, _ in self._selector.select(self._seconds_to_wait())]
        for key in ready:
            if key.data is not None:
                done += self._collect(key.data)
        if any(key.data is None for key in ready):
            for number, status in self._server.exits():
                done += self._bury(self._workers[number], status)
        self._kill_overdue()
        if done:
            self._deaths_in_a_row = 0
        return done

    def _collect(self, worker: Handle) -> list[Done | Lost]:
        collected: list[Done | Lost] = []
        if worker.channel is None:
            return collected
        worker.channel.flush()
        for reply in worker.channel.receive():
            if reply.failure is not None:
                raise unpack_error(reply.failure)
            self._pace.note(len(reply.answers), reply.seconds)
            done, given_back = worker.take(reply)
            collected += done
            self._again.extend(given_back)
        self._watch(worker)
        return collected

    def _bury(self, worker: Handle, status: int) -> list[Done | Lost]:
        done = self._collect(worker)
        self._forget(worker.channel)
        last, given_back = worker.bury(status, self._timeout)
        self._again.extendleft(reversed(given_back))
        self._note_death(worker, status, is_explained=bool(last))
        return done + last

    def _forget(self, channel: Channel | None) -> None:
        if channel is not None and channel in self._selector.get_map():
            self._selector.unregister(channel)

    def _note_death(self, worker: Handle, status: int, *, is_explained: bool) -> None:
        self.deaths += 1
        self._deaths_in_a_row += not is_explained
        how = describe_exit(status)
        if self._deaths_in_a_row >= _MAX_DEATHS_IN_A_ROW:
            raise SetupError(
                f"{self._deaths_in_a_row} workers in a row died before they had done anything, the last one was {how}; "
                "look in the log for what they printed, use fewer workers, or give them more memory"
            )
        if not is_explained:
            log.warning("worker %d died between two files: %s; another takes its place", worker.number + 1, how)

    def _seconds_to_wait(self) -> float | None:
        if self._timeout is None:
            return None
        now = time.monotonic()
        return max(0.0, min(worker.seconds_left(now, self._timeout) for worker in self._workers))

    def _kill_overdue(self) -> None:
        if self._timeout is None:
            return
        now = time.monotonic()
        for worker in self._workers:
            if worker.channel is not None and worker.is_overdue(now, self._timeout):
                self._server.kill(worker.number)
