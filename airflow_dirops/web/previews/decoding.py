"""Have files looked at by another process, within limits, whatever is in them."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from threading import BoundedSemaphore

import msgspec

from airflow_dirops.web.previews.shapes import MAX_PICTURE_BYTES, Nothing, Preview, Wanted

_COMMAND = (sys.executable, "-I", "-m", "airflow_dirops.web.previews.child")
# None of the settings and secrets of an api-server; one thread, as more would each take memory.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
_MOST_AT_ONCE = BoundedSemaphore(2)
_LONGEST_WAIT_SECONDS = 10.0
_LONGEST_SECONDS = 12.0
"""For all files of one call together."""
_MOST_STARTS = 4
_MAX_LINE = 2 * MAX_PICTURE_BYTES

TOO_SLOW = Nothing(note="it took longer than a preview may; look at it by itself")
TOO_MUCH = Nothing(note="decoding it was stopped: it took more memory or time than a preview may")
BUSY = Nothing(note="too many previews are being made; open this page again")


def previews_of(files: Sequence[tuple[int, str]], side: int) -> list[Preview]:
    """What can be shown of each file.

    :param files: descriptors, open for reading, and kinds.
    :param side: how large a picture may be, in pixels.
    """
    return answers_to([Wanted(descriptor, kind, side) for descriptor, kind in files])


def answers_to(files: Sequence[Wanted]) -> list[Preview]:
    """What can be shown of each file, or of how two files differ."""
    if not _MOST_AT_ONCE.acquire(timeout=_LONGEST_WAIT_SECONDS):
        return [BUSY] * len(files)
    try:
        return _looked_at(files)
    finally:
        _MOST_AT_ONCE.release()


def _looked_at(files: Sequence[Wanted]) -> list[Preview]:
    deadline = time.monotonic() + _LONGEST_SECONDS
    found: list[Preview] = []
    for _ in range(_MOST_STARTS):
        found += _by_one_process(files[len(found) :], deadline)
        if len(found) == len(files) or time.monotonic() > deadline:
            break
        found.append(TOO_MUCH)  # the one that ended the process
    return [*found, *[TOO_SLOW] * (len(files) - len(found))]


def _by_one_process(wanted: Sequence[Wanted], deadline: float) -> list[Preview]:
    if not wanted:
        return []
    with subprocess.Popen(  # noqa: S603 - this package's own module
        _COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=[number for each in wanted for number in (each.descriptor, each.other) if number is not None],
        env=_ENVIRONMENT,
        cwd="/",
    ) as process:
        try:
            if process.stdin is None or process.stdout is None:
                return []
            process.stdin.write(msgspec.json.encode(wanted))
            process.stdin.close()
            lines = _lines(process.stdout.fileno(), deadline)
            return [_believed(line) for line, _ in zip(lines, wanted, strict=False)]
        except BrokenPipeError:
            return []
        finally:
            process.kill()


def _believed(line: bytes) -> Preview:
    """What a process said that may have been taken over by what it decoded."""
    try:
        preview: Preview = msgspec.json.decode(line, type=Preview)
    except (msgspec.MsgspecError, ValueError):
        return TOO_MUCH
    return preview


def _lines(descriptor: int, deadline: float) -> Iterator[bytes]:
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while len(rest) < _MAX_LINE and selector.select(max(0.0, deadline - time.monotonic())):
            if not (block := os.read(descriptor, 1 << 16)):
                return
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
