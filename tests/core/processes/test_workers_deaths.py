"""A worker that dies or hangs costs the item it was on, names it, and leaves nothing running."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from airflow_dirops.core.errors import ResourcesExhausted, SetupError
from airflow_dirops.core.processes import Done, Job, Lost, WorkerPool
from airflow_dirops.core.processes.handle import Handle
from airflow_dirops.core.processes.ledger import make_pages
from airflow_dirops.core.processes.process import children
from tests.core.children import ROOT, run_python
from tests.core.descriptors import left_open, open_descriptors

Function = Callable[[bytes], bytes]


class Calling:
    def __init__(self, function: Function) -> None:
        self.run = function


def on(bad: bytes, action: Callable[[], object]) -> Function:
    """Does something terrible on one item."""

    def function(item: bytes) -> bytes:
        time.sleep(0.001)
        if item == bad:
            action()
        return item.upper()

    return function


def hang_in_native_code() -> None:
    # Holds the GIL, so no signal handler of Python's would run.
    ctypes.PyDLL(None).usleep(60_000_000)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No process, zombie or file descriptor stays."""
    descriptors, processes = open_descriptors(), set(children())
    yield
    assert set(children()) == processes
    assert left_open(descriptors) == []


ITEMS = [f"item {number}".encode() for number in range(60)]
BAD = ITEMS[23]
DEATHS = {
    "segfault": (lambda: ctypes.string_at(0), "killed by SIGSEGV"),
    "exit": (lambda: os._exit(3), "ended with exit code 3"),
    "exit that looks well": (lambda: os._exit(0), "ended with exit code 0"),
    "kill": (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL, perhaps for want of memory"),
    "abort": (os.abort, "killed by SIGABRT"),
}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("death", DEATHS)
def test_a_death_costs_one_item(death: str, workers: int, capfd: pytest.CaptureFixture[str]) -> None:
    action, reason = DEATHS[death]
    with WorkerPool(workers, lambda: Calling(on(BAD, action))) as pool:
        done = list(pool.run(ITEMS))
        assert pool.deaths == 1
    assert [(one.item, one.reason) for one in done if isinstance(one, Lost)] == [(BAD, reason)]
    assert sorted(one.item for one in done) == sorted(ITEMS)
    assert all(one.answer == one.item.upper() for one in done if one.item != BAD)


def test_a_segfault_shows_in_the_log_where_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    with WorkerPool(1, lambda: Calling(on(BAD, lambda: ctypes.string_at(0)))) as pool:
        list(pool.run([BAD]))
    assert "string_at" in capfd.readouterr().err


SEGFAULT = """
import ctypes, faulthandler, signal
from airflow_dirops.core.processes import WorkerPool

class Job:
    def run(self, item):
        return ctypes.string_at(0)

faulthandler.enable()
signal.signal(signal.SIGSEGV, lambda *_: None)  # as Airflow does, while it loads a DAG file
with WorkerPool(1, Job) as pool:
    list(pool.run([b"item"]))
"""


def test_also_where_somebody_else_has_a_handler_for_it() -> None:
    assert "string_at" in run_python(SEGFAULT).stderr


def test_nothing_is_done_twice_when_workers_die(tmp_path: Path) -> None:
    """What a dead worker had done in its chunk, and not yet answered, is not done again."""
    log = tmp_path / "log"
    items = [str(number).encode() for number in range(2_000)]

    def function(item: bytes) -> bytes:
        if int(item) % 250 == 249:
            os.kill(os.getpid(), signal.SIGKILL)
        with open(log, "ab") as file:
            file.write(item + b"\n")
        return item

    with WorkerPool(2, lambda: Calling(function)) as pool:
        done = list(pool.run(items))
    written = log.read_bytes().split()
    assert len(written) == len(set(written)) == 1_992
    assert sorted(one.item for one in done if isinstance(one, Lost)) == sorted(items[249::250])
    assert sorted(one.answer for one in done if isinstance(one, Done)) == sorted(written)


def test_answers_too_large_to_be_kept_survive_too() -> None:
    with WorkerPool(2, lambda: Calling(lambda item: on(BAD, os.abort)(item) * 9_000)) as pool:
        done = list(pool.run(ITEMS))
    assert [one.item for one in done if isinstance(one, Lost)] == [BAD]
    assert sorted(one.item for one in done) == sorted(ITEMS)


@pytest.mark.parametrize(
    "hang",
    [
        pytest.param(lambda: time.sleep(60), id="sleep"),
        pytest.param(hang_in_native_code, id="native code"),
        pytest.param(lambda: (signal.signal(signal.SIGTERM, signal.SIG_IGN), time.sleep(60)), id="deaf to signals"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_hung_item_is_killed(hang: Callable[[], object], workers: int) -> None:
    with WorkerPool(workers, lambda: Calling(on(BAD, hang)), timeout=0.5) as pool:
        done = list(pool.run(ITEMS))
    assert [(one.item, one.reason) for one in done if isinstance(one, Lost)] == [(BAD, "timed out after 0.5 s")]
    assert sorted(one.item for one in done) == sorted(ITEMS)


def test_a_worker_that_went_on_before_it_was_killed() -> None:
    """The item that was overdue got done after all, and the next one is not to blame."""
    ours, theirs = socket.socketpair()
    (page,) = make_pages(1)
    worker = Handle(0, page)
    worker.open(ours)
    worker.give([b"slow", b"next", b"last"])
    page.begin(now=10.0)
    assert worker.is_overdue(16.0, timeout=5.0)
    page.finish(b"done after all")
    page.begin(now=16.0)
    assert worker.bury(signal.SIGKILL, 5.0) == ([Done(b"slow", b"done after all")], [b"next", b"last"])
    theirs.close()


def test_every_item_may_hang() -> None:
    with WorkerPool(2, lambda: Calling(lambda item: (time.sleep(60), item)[1]), timeout=0.1) as pool:
        done = list(pool.run(ITEMS[:6]))
    assert sorted(one.item for one in done if isinstance(one, Lost) and one.is_timeout) == ITEMS[:6]


def test_a_timeout_counts_per_item_and_only_while_it_runs() -> None:
    """Neither the items before it in a chunk count, nor a consumer that takes its time."""
    seen: list[Done] = []
    with WorkerPool(2, lambda: Calling(lambda item: (time.sleep(0.05), item)[1]), timeout=0.4) as pool:
        for done in pool.run(ITEMS[:20]):
            seen.append(done)
            if len(seen) % 10 == 0:
                time.sleep(0.8)
    assert [type(done) for done in seen] == [Done] * 20


def test_an_idle_worker_that_is_killed_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    with WorkerPool(1, lambda: Calling(lambda item: str(os.getpid()).encode())) as pool:
        (first,) = pool.run([b"1"])
        os.kill(int(first.answer or b""), signal.SIGKILL)
        second = list(pool.run([b"2", b"3"]))
        assert pool.deaths == 1
    assert [done.item for done in second] == [b"2", b"3"]
    assert "died between two files: killed by SIGKILL" in caplog.text


def test_workers_that_cannot_start_end_the_run() -> None:
    def start() -> Job:
        os._exit(9)

    with (
        pytest.raises(SetupError, match=r"3 workers in a row died before .* ended with exit code 9"),
        WorkerPool(2, start) as pool,
    ):
        list(pool.run(ITEMS))


def test_a_dead_fork_server_ends_the_run() -> None:
    others = set(children())  # such as the one that multiprocessing keeps
    with WorkerPool(2, lambda: Calling(lambda item: (time.sleep(0.05), item)[1])) as pool:
        run = pool.run(ITEMS)
        next(run)
        for process in set(children()) - others:
            os.kill(process, signal.SIGKILL)
        with pytest.raises(ResourcesExhausted, match="the process that forks the workers was killed"):
            list(run)


def test_leaving_in_the_middle_ends_everything() -> None:
    with WorkerPool(3, lambda: Calling(on(b"", bool))) as pool:
        next(pool.run(ITEMS))


def test_replacements_come_from_a_process_without_threads(tmp_path: Path) -> None:
    def function(item: bytes) -> bytes:
        if item == BAD:
            os._exit(1)
        return str(len(os.listdir(f"/proc/{os.getppid()}/task"))).encode()

    with WorkerPool(2, lambda: Calling(function)) as pool:
        assert {done.answer for done in pool.run(ITEMS) if isinstance(done, Done)} == {b"1"}


def test_what_a_hung_function_started_ends_with_it(tmp_path: Path) -> None:
    def function(item: bytes) -> bytes:
        child = subprocess.Popen(["sleep", "60"], start_new_session=True)
        (tmp_path / "child").write_text(str(child.pid))
        child.wait()
        return item

    with WorkerPool(1, lambda: Calling(function), timeout=0.5) as pool:
        (done,) = pool.run([b"1"])
    assert isinstance(done, Lost)
    wait_until_gone([int((tmp_path / "child").read_text())])


PARENT = """
import os, signal, sys, time
from airflow_dirops.core.errors import Stopped
from airflow_dirops.core.processes import WorkerPool

class Sleeping:
    def run(self, item):
        os.write(1, f"{os.getpid()} {os.getppid()}\\n".encode())
        time.sleep(60)

def stop(*_):
    raise Stopped("asked to")

signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
signal.signal(signal.SIGALRM, stop)
try:
    with WorkerPool(2, Sleeping) as pool:
        list(pool.run([b"1", b"2"]))
except Stopped:
    left = open(f"/proc/self/task/{os.getpid()}/children").read().split()
    print("stopped", len(left), flush=True)
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, with two workers that sleep."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout
    process.stdout.close()


def started(parent: subprocess.Popen[str]) -> list[int]:
    """The ids of its workers and of their parent, once they work."""
    assert parent.stdout
    return sorted({int(word) for _ in range(2) for word in parent.stdout.readline().split()})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGALRM])
@pytest.mark.parametrize("to_group", [True, False])
def test_a_signal_ends_all(parent: subprocess.Popen[str], number: signal.Signals, to_group: bool) -> None:
    """The parent's handler raises, in the middle of waiting; the workers do nothing about it themselves."""
    processes = started(parent)
    assert len(processes) == 3
    if to_group and number != signal.SIGALRM:
        os.killpg(parent.pid, number)
    else:
        os.kill(parent.pid, number)
    assert parent.stdout
    assert parent.stdout.readline() == "stopped 0\n"
    assert parent.wait(timeout=30) == 0
    assert [process for process in processes if is_running(process)] == []


def test_nothing_outlives_a_killed_parent(parent: subprocess.Popen[str]) -> None:
    processes = started(parent)
    os.kill(parent.pid, signal.SIGKILL)
    wait_until_gone(processes)


def test_nothing_outlives_a_killed_fork_server(parent: subprocess.Popen[str]) -> None:
    processes = started(parent)
    for server in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split():
        os.kill(int(server), signal.SIGKILL)
    wait_until_gone(processes)
    assert parent.wait(timeout=30) == 1


def is_running(process: int) -> bool:
    with suppress(OSError):
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    return False


def wait_until_gone(processes: list[int]) -> None:
    # Long after the second that it takes at most on an idle machine; the sleeps would take a minute.
    deadline = time.monotonic() + 20
    while left := [process for process in processes if is_running(process)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
