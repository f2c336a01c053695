"""What runs in a worker process: start a job, and give it one item after the other."""

from __future__ import annotations

import faulthandler
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from airflow_dirops.core.processes.cpus import limit_native_threads
from airflow_dirops.core.processes.failures import pack_error
from airflow_dirops.core.processes.ledger import Page
from airflow_dirops.core.processes.messages import Chunk, Reply, encode, read_chunks
from airflow_dirops.core.processes.process import flush_streams
from airflow_dirops.core.stops import note_handlers

# A chunk was cut for a few milliseconds; when its items turn out slower, the rest goes back for others to take.
_LONGEST_CHUNK_SECONDS = 0.02
_STDERR = 2


class Job(Protocol):
    """What a worker does; made in it, after the fork."""

    def run(self, item: bytes) -> bytes:
        """Do one item. An error ends the whole run, so what may fail belongs into the answer."""


def work(page: Page, connection: socket.socket, start: Callable[[], Job], threads: int) -> None:
    """Serve the parent until it is gone."""
    try:
        _settle_in(threads)
        _serve(page, connection, start())
    except BaseException as error:
        connection.sendall(encode(Reply([], failure=pack_error(error))))


def _settle_in(threads: int) -> None:
    with suppress(OSError):
        # A segfault then shows in the log where it happened. Disabled first, or it would not take its handlers back
        # from whoever has replaced them, as Airflow does while it loads a DAG file.
        faulthandler.disable()
        faulthandler.enable(_STDERR, all_threads=False)
    note_handlers()  # none, now: signals are for the parent
    limit_native_threads(threads)
    if numbers := sys.modules.get("numpy.random"):
        # All workers would draw the same numbers; the standard library reseeds its own after a fork.
        numbers.seed()


def _serve(page: Page, connection: socket.socket, job: Job) -> None:
    finished = 0
    for chunk in read_chunks(connection):
        reply = _do(page, job, chunk)
        # The end of this process will not do it.
        flush_streams()
        connection.sendall(encode(reply))
        finished += len(reply.answers)
        page.sent(finished)


def _do(page: Page, job: Job, chunk: Chunk) -> Reply:
    answers: list[bytes] = []
    began = now = time.monotonic()
    for item in chunk:
        page.begin(now)
        answer = job.run(item)
        now = time.monotonic()
        answers.append(answer)
        if not page.finish(answer) or now - began > _LONGEST_CHUNK_SECONDS:
            break
    return Reply(answers, now - began)
