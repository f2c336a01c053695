"""Fsyncs beside the work, in groups: a thread is woken for many files, syncs them, and hands all of them on."""

from __future__ import annotations

import os
import resource
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

from airflow_dirops.core.disk.durable import begin_write_back, sync_then_close
from airflow_dirops.core.errors import ResourcesExhausted, StorageError

# Measured with files of 1 and 100 KiB: in smaller groups handing over costs more, and more threads wait for each other.
# A quick disk keeps one of them busy, a slow one all.
_GROUP = 32
_THREADS = 8
_IN_FLIGHT = _THREADS * _GROUP
_SECONDS_TO_GATHER = 0.01

T = TypeVar("T")


def _most_in_flight() -> int:
    """Each holds a descriptor; of those that are free, the work itself needs some, and so does the user's function."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return _IN_FLIGHT
    try:
        free = allowed - len(os.listdir("/proc/self/fd"))
    except OSError:  # none is left to look with
        free = 0
    return max(1, min(_IN_FLIGHT, free // 4))


class _Written(NamedTuple, Generic[T]):
    descriptor: int
    path: str
    item: T


class FsyncPool(Generic[T]):
    """Fsyncs files beside the work, and says when they are durable.

    A file waits for others to make up a group with for some milliseconds, longer only while all threads are busy.
    Threads start with the first file, so a process that forks its workers first stays safe to fork.

    :param durable: called in a thread of the pool, with the items of a group of files that are durable now; what it
        raises is told as a failed fsync is.
    """

    def __init__(self, durable: Callable[[list[T]], None]) -> None:
        self._durable = durable
        self._threads: set[threading.Thread] = set()
        lock = threading.Lock()
        self._gathered = threading.Condition(lock)
        self._synced = threading.Condition(lock)
        self._waiting: deque[_Written[T]] = deque()
        self._in_flight = 0
        self._most_in_flight = _most_in_flight()
        self._gathering = 0
        self._is_draining = False
        self._failure: BaseException | None = None

    def sync_then_close(self, descriptor: int, path: str, item: T) -> None:
        """Fsync a file, close it, and pass the item on; returns at once if the pool has room, else after a wait.

        :raises StorageError: if any fsync before this one failed.
        :raises ResourcesExhausted: if not a single thread can be started.
        """
        with self._gathered:
            try:
                self._wait_until_fewer_than(self._most_in_flight)
            except BaseException:
                os.close(descriptor)
                raise
            self._in_flight += 1
            self._waiting.append(_Written(descriptor, path, item))
            self._wake_a_thread()

    def drain(self) -> None:
        """Wait until everything handed over is durable.

        :raises StorageError: if an fsync failed.
        """
        with self._gathered:
            self._is_draining = True
            self._gathered.notify_all()
            try:
                self._wait_until_fewer_than(1)
            finally:
                self._is_draining = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._gathered:
            threads = list(self._threads)
            self._is_draining = True
            self._gathered.notify_all()
        for thread in threads:
            # Not cancelled: each holds descriptors that only it closes.
            thread.join()
        self._close_waiting()

    def _wait_until_fewer_than(self, count: int) -> None:
        while self._in_flight >= count:
            self._synced.wait()
        if self._failure is not None:
            raise self._failure

    def _wake_a_thread(self) -> None:
        is_group = len(self._waiting) >= _GROUP
        if is_group and self._gathering:
            self._gathered.notify()
        elif not self._threads or (is_group and len(self._threads) < _THREADS):
            self._start_thread()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._sync_waiting, name="dirops-fsync")
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            if not self._threads:  # else the others do the work of this one
                self._give_up(error)
        else:
            self._threads.add(thread)

    def _give_up(self, error: BaseException) -> None:
        """Nobody will sync what waits."""
        self._close_waiting()
        failure = ResourcesExhausted(error)
        failure.__cause__ = error
        self._fail(failure)
        raise failure

    def _close_waiting(self) -> None:
        while self._waiting:
            self._in_flight -= 1
            os.close(self._waiting.popleft().descriptor)

    def _sync_waiting(self) -> None:
        while group := self._next_group():
            self._sync(group)
            with self._synced:
                self._in_flight -= len(group)
                self._synced.notify()

    def _next_group(self) -> list[_Written[T]]:
        """The next files, or none if none came for a while; the thread ends then."""
        with self._gathered:
            if len(self._waiting) < _GROUP and not self._is_draining:
                self._gathering += 1
                self._gathered.wait(_SECONDS_TO_GATHER)
                self._gathering -= 1
            group = [self._waiting.popleft() for _ in range(min(_GROUP, len(self._waiting)))]
            if not group:
                self._threads.discard(threading.current_thread())
            return group

    def _sync(self, group: list[_Written[T]]) -> None:
        try:
            if len(self._waiting) >= _GROUP:  # the disk is behind: let it commit the whole group at once
                for written in group:
                    begin_write_back(written.descriptor)
            errors = sync_then_close([written.descriptor for written in group])
            durable = []
            for written in group:
                if error := errors.get(written.descriptor):
                    failure = StorageError("making durable", written.path, error)
                    failure.__cause__ = error  # as `raise from` would, so that the log shows the call
                    self._fail(failure)
                else:
                    durable.append(written.item)
            self._durable(durable)
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Keep the first error, to be raised where the next file is handed over, or at the drain."""
        self._failure = self._failure or error
