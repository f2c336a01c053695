"""A process that forks the workers, and another one wherever one dies.

It is forked before the parent starts threads and starts none itself, so every worker comes out of a fork that is
safe, and everything it needs is inherited. It runs no code of the user's, so it always answers.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from airflow_dirops.core.errors import ResourcesExhausted
from airflow_dirops.core.processes.process import adopt_orphans, children, end_with, fork, reset_signals
from airflow_dirops.core.processes.signals import held_back

_REQUEST = struct.Struct("=cI")
_EXIT = struct.Struct("=Ii")
_FORK, _KILL = b"f", b"k"
# Less than the five seconds that Airflow leaves between SIGTERM and SIGKILL.
_LONGEST_END_SECONDS = 2.0
# A signal to the process group is for the parent to act on.
_LEFT_TO_THE_PARENT = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})

Work = Callable[[int, socket.socket], None]


class ForkServer:
    """The parent's side.

    :param work: what a worker does, given its number and its end of a socket.
    :raises ResourcesExhausted: if it cannot be forked.
    """

    def __init__(self, work: Work) -> None:
        self._control, theirs = socket.socketpair()
        parent = os.getpid()

        def serve() -> None:
            self._control.close()
            _become_server(parent)
            _Server(theirs, work).serve()

        try:
            # Held back: until it has reset its handlers, the fork has the parent's.
            with held_back(), theirs:
                self._process = fork(serve)
        except OSError as error:
            self._control.close()
            raise ResourcesExhausted(error) from error

    def fileno(self) -> int:
        return self._control.fileno()

    def fork(self, number: int) -> socket.socket:
        """Fork a worker; returns the parent's end of its socket."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [_REQUEST.pack(_FORK, number)], [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        return ours

    def kill(self, number: int) -> None:
        """Kill a worker, unless it is dead already. Only the server can: an id it has not reaped is not used again."""
        self._control.sendall(_REQUEST.pack(_KILL, number))

    def exits(self) -> Iterator[tuple[int, int]]:
        """The workers that have ended since the last call, each with its wait status.

        :raises ResourcesExhausted: if a worker could not be forked, or the server itself is gone: the kernel kills
            where memory is short.
        """
        block = self._control.recv(_EXIT.size * 64)
        if not block:
            raise ResourcesExhausted(MemoryError("the process that forks the workers was killed"))
        for number, status in _EXIT.iter_unpack(block):
            if status < 0:
                raise ResourcesExhausted(OSError(-status, f"worker {number + 1} could not be started"))
            yield number, status

    def close(self) -> None:
        """Kill all workers and what they have started, and wait until they are gone."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        if not self._has_ended():
            os.kill(self._process, signal.SIGKILL)
        self._control.close()
        # Somebody else's handler may have reaped it.
        with suppress(ChildProcessError):
            os.waitpid(self._process, 0)

    def _has_ended(self) -> bool:
        deadline = time.monotonic() + _LONGEST_END_SECONDS
        while select.select([self._control], [], [], max(0.0, deadline - time.monotonic()))[0]:
            try:
                if not self._control.recv(4096):
                    return True
            except ConnectionError:
                return True
        return False


def _become_server(parent: int) -> None:
    end_with(parent)
    reset_signals(ignored=_LEFT_TO_THE_PARENT)
    adopt_orphans()
    # Collecting would touch, and so copy, every page that is shared with the parent; the workers inherit this.
    gc.freeze()


class _Server:
    """The server's own side: one thread that waits for requests and for children that end."""

    def __init__(self, control: socket.socket, work: Work) -> None:
        self._control = control
        self._work = work
        self._numbers: dict[int, int] = {}
        self._wakes, self._waker = socket.socketpair()
        self._waker.setblocking(False)

    def serve(self) -> None:
        """Fork, kill and report until the parent closes its side."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        try:
            while self._take_one():
                pass
        finally:
            self._end()

    def _take_one(self) -> bool:
        ready, _, _ = select.select([self._control, self._wakes], [], [])
        if self._wakes in ready:
            self._wakes.recv(4096)
            self._report()
            return True
        request, descriptors, _, _ = socket.recv_fds(self._control, _REQUEST.size, 1)
        if not request:
            return False
        kind, number = _REQUEST.unpack(request)
        if kind == _FORK:
            self._fork(number, socket.socket(fileno=descriptors[0]))
        else:
            self._kill(number)
        return True

    def _fork(self, number: int, connection: socket.socket) -> None:
        server = os.getpid()

        def work() -> None:
            end_with(server)
            reset_signals(ignored=frozenset({signal.SIGINT}))
            for ours in (self._control, self._wakes, self._waker):
                ours.close()
            connection.set_inheritable(False)
            self._work(number, connection)

        with connection:
            try:
                self._numbers[fork(work)] = number
            except OSError as error:
                self._control.sendall(_EXIT.pack(number, -(error.errno or 1)))

    def _kill(self, number: int) -> None:
        for process, its_number in self._numbers.items():
            if its_number == number:
                os.kill(process, signal.SIGKILL)

    def _report(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                process, status = ended
                if process in self._numbers:
                    self._control.sendall(_EXIT.pack(self._numbers.pop(process), status))
        self._end_adopted()

    def _end_adopted(self) -> None:
        """Kill what the functions of a dead worker had started; it is a child of this process now."""
        for process in children():
            if process not in self._numbers:
                os.kill(process, signal.SIGKILL)

    def _end(self) -> None:
        for process in self._numbers:
            os.kill(process, signal.SIGKILL)
        self._numbers.clear()
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
                self._end_adopted()
