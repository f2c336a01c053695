"""A warm process that has imported everything and forks a child for each job: milliseconds instead of a second.

Runs under the preloaded library; a child arms it for itself. Speaks JSON lines with whoever started it::

    {"start": job, "arguments": {...}, "watch": directory, "strike": {...}}  → {"pid": 1234}
    {"wait": 1234, "seconds": 30}  → {"status": "exited" | "killed" | "stopped" | "running", "calls": 57, ...}
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from tests.crash import shim
from tests.crash.jobs import run_job

_PR_SET_CHILD_SUBREAPER = 36
_children: dict[int, int] = {}


def _start(request: dict[str, Any]) -> dict[str, Any]:
    read, write = os.pipe()
    if pid := os.fork():
        os.close(write)
        _children[pid] = read
        return {"pid": pid}
    _run_child(request, write)
    return {}


def _run_child(request: dict[str, Any], write: int) -> None:
    try:
        os.close(0)
        os.setpgid(0, 0)  # a strike reaches the job's own children, too
        if watched := request.get("watch"):
            options = {name: request[name] for name in ("plain", "reads", "trace") if name in request}
            shim.arm(watched, shim.Strike(**request.get("strike", {})), **options)
        answer = run_job(request["start"], request["arguments"])
        os.write(write, json.dumps(answer | {"calls": shim.count_calls()}).encode())
    finally:
        os._exit(0)


def _wait(pid: int, seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    descriptor = os.pidfd_open(pid)
    try:
        while time.monotonic() < deadline:
            select.select([descriptor], [], [], 0.002)
            found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
            if found:
                return _ended(pid, status)
    finally:
        os.close(descriptor)
    return {"status": "running"}


def _ended(pid: int, status: int) -> dict[str, Any]:
    if os.WIFSTOPPED(status):
        return {"status": "stopped"}
    _reap_group(pid)
    with open(_children.pop(pid), "rb") as file:
        answer = file.read()
    if os.WIFSIGNALED(status):
        return {"status": "killed", "signal": os.WTERMSIG(status)}
    return {"status": "exited", **json.loads(answer or b"{}")}


def _reap_group(pid: int) -> None:
    """Wait for the job's own children: until they are gone, they hold the locks that they inherited."""
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-pid, 0)


def serve() -> None:
    """Answer requests until the other side is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    logging.disable()
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            answer = _start(request)
        elif "signal" in request:
            os.killpg(request["signal"], getattr(signal, request["number"]))
            answer = {}
        else:
            answer = _wait(request["wait"], request["seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
