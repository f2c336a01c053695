"""The pool does every item once, whatever its functions are, and passes on what they raise."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from airflow_dirops.core.errors import DiropsError, KeyTaken, RecordFailed, SetupError, StorageError, TransientError
from airflow_dirops.core.processes import Done, Job, WorkerPool, pack_error, unpack_error


class Calling:
    """A job that calls one function for each item."""

    def __init__(self, function: Callable[[bytes], bytes]) -> None:
        self.run = function


def numbered(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


def run_all(function: Callable[[bytes], bytes], items: list[bytes], workers: int = 2) -> list[Done]:
    with WorkerPool(workers, lambda: Calling(function)) as pool:
        return list(pool.run(items))


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_every_item_is_done_once(workers: int) -> None:
    done = run_all(lambda item: item * 2, numbered(500), workers)
    assert sorted(done) == sorted(Done(item, item * 2) for item in numbered(500))


def test_ten_thousand_tiny_items() -> None:
    done = run_all(lambda item: item, numbered(10_000))
    assert sorted(one.answer or b"" for one in done) == sorted(numbered(10_000))


def test_no_items() -> None:
    assert run_all(lambda item: item, []) == []


def test_a_pool_runs_again() -> None:
    with WorkerPool(2, lambda: Calling(lambda item: item)) as pool:
        assert [len(list(pool.run(numbered(count)))) for count in (3, 0, 200)] == [3, 0, 200]


def test_items_are_done_in_other_processes_and_beside_each_other() -> None:
    def who(item: bytes) -> bytes:
        time.sleep(0.02)
        return str(os.getpid()).encode()

    answers = {done.answer for done in run_all(who, numbered(20), workers=3)}
    assert len(answers) == 3
    assert str(os.getpid()).encode() not in answers


def test_large_items_and_answers() -> None:
    """Larger than any buffer between the two: neither waits for the other."""
    items = [os.urandom(700_000) for _ in range(12)]
    done = run_all(lambda item: item[::-1], items)
    assert sorted(done) == sorted(Done(item, item[::-1]) for item in items)


def test_functions_of_a_module_that_cannot_be_imported() -> None:
    """As Airflow makes of a DAG file."""
    module = types.ModuleType("unusual_prefix_0123_dag")
    exec("shout = lambda item: item.upper()\ndef make(tail):\n    return lambda item: shout(item) + tail", vars(module))
    assert run_all(module.make(b"!"), [b"a"]) == [Done(b"a", b"A!")]


def test_in_a_process_marked_daemonic(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Celery's task processes are; multiprocessing would refuse."""
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    assert len(run_all(lambda item: item, numbered(10))) == 10


def test_beside_threads_that_run() -> None:
    """NumPy's BLAS has some from the start, and a caller may have more."""
    matrix = np.random.default_rng(1).random((300, 300))
    expected = float(np.trace(matrix @ matrix))
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        done = run_all(lambda item: repr(float(np.trace(matrix @ matrix))).encode(), numbered(8))
    finally:
        over.set()
        thread.join()
    assert [float(one.answer or b"nan") for one in done] == pytest.approx([expected] * 8)


def test_in_another_thread_than_the_main_one() -> None:
    found: list[Done] = []
    thread = threading.Thread(target=lambda: found.extend(run_all(lambda item: item, numbered(50))))
    thread.start()
    thread.join()
    assert len(found) == 50


def test_workers_start_once(tmp_path: Path) -> None:
    def note(what: str) -> None:
        with open(tmp_path / what, "a") as file:
            file.write(f"{os.getpid()}\n")

    def start() -> Job:
        note("started")
        return Calling(lambda item: (time.sleep(0.02), item)[1])

    with WorkerPool(2, start) as pool:
        list(pool.run(numbered(10)))
    started = (tmp_path / "started").read_text().split()
    assert len(set(started)) == len(started) == 2


def test_items_are_not_taken_ahead() -> None:
    taken = 0

    def items() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(100_000):
            taken += 1
            yield b""

    with WorkerPool(2, lambda: Calling(lambda item: item)) as pool:
        ahead = max(taken - done for done, _ in zip(range(20_000), pool.run(items()), strict=False))
    assert ahead < 600


def test_slow_items_are_not_queued_behind_each_other() -> None:
    def slow(item: bytes) -> bytes:
        time.sleep(0.1)
        return item

    taken = 0

    def items() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(8):
            taken += 1
            yield b""

    with WorkerPool(2, lambda: Calling(slow)) as pool:
        ahead = max(taken - done for done, _ in enumerate(pool.run(items())))
    assert ahead <= 4


def test_items_that_turn_slow_go_to_those_that_are_free() -> None:
    """After many quick ones the chunks are long; a slow item in one must not hold the others up."""

    def turning(item: bytes) -> bytes:
        time.sleep(0.05 if int(item) >= 3_000 else 0)
        return str(os.getpid()).encode()

    done = run_all(turning, numbered(3_020))
    slow = [one.answer for one in done if int(one.item) >= 3_000]
    assert len(slow) == 20
    assert min(slow.count(who) for who in set(slow)) >= 5
    assert len(set(slow)) == 2


def test_the_random_numbers_of_workers_differ() -> None:
    def draw(item: bytes) -> bytes:
        time.sleep(0.02)
        return f"{random.random()} {np.random.random()}".encode()

    np.random.seed(1)
    drawn = [(one.answer or b"").split() for one in run_all(draw, numbered(20))]
    assert [len(set(numbers)) for numbers in zip(*drawn, strict=True)] == [20, 20]


def test_native_libraries_share_the_cpus() -> None:
    from threadpoolctl import threadpool_info

    def threads(item: bytes) -> bytes:
        return b" ".join(str(library["num_threads"]).encode() for library in threadpool_info())

    before = {library["num_threads"] for library in threadpool_info()}
    (done,) = run_all(threads, [b""], workers=64)
    assert done.answer
    assert set(done.answer.split()) == {b"1"}
    assert {library["num_threads"] for library in threadpool_info()} == before


def test_what_is_printed_appears_once(capfd: pytest.CaptureFixture[str]) -> None:
    with open(1, "w", closefd=False) as stream, _standard_output(stream):
        print("before", end=" ")
        run_all(lambda item: (print("inside", end=" "), item)[1], [b""])
        print("after")
    assert capfd.readouterr().out == "before inside after\n"


@contextmanager
def _standard_output(stream: object) -> Iterator[None]:
    before, sys.stdout = sys.stdout, stream  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout = before


class Refused(SetupError, PermissionError):
    """As an error of ours must be that Airflow lets through."""


class Odd(Exception):
    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("no"), id="of Python"),
        pytest.param(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), id="with slots of its own"),
        pytest.param(RecordFailed("no", ["one", "two"]), id="ours with findings"),
        pytest.param(KeyTaken("taken", "a/b.npy"), id="ours with a path"),
        pytest.param(StorageError("writing", "a/b.npy", OSError(28, "full")), id="ours of the system"),
        pytest.param(Refused("no"), id="ours of a kind of the system's"),
        pytest.param(FileNotFoundError(2, "gone", "a"), id="of the system"),
    ],
)
def test_an_error_comes_back_as_it_was(error: Exception) -> None:
    def fail(item: bytes) -> bytes:
        raise error

    with pytest.raises(type(error)) as caught:
        run_all(fail, numbered(4))
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)
    for name in ("errno", "strerror", "filename"):
        assert getattr(caught.value, name, None) == getattr(error, name, None)
    assert "in fail" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Odd(1, 2), id="cannot be made again"),
        pytest.param(ValueError(lambda: 1), id="cannot be pickled"),
        pytest.param(type("Local", (Exception,), {})("here"), id="of a local type"),
    ],
)
def test_an_error_that_cannot_travel_comes_back_as_text(error: Exception) -> None:
    again = unpack_error(pack_error(error))
    assert type(again) is RuntimeError
    assert str(again) == f"{type(error).__name__}: {error}"


def test_the_causes_of_an_error_are_told() -> None:
    def fail(item: bytes) -> bytes:
        try:
            raise KeyError("the first")
        except KeyError as error:
            raise DiropsError("the second") from error

    with pytest.raises(DiropsError, match="the second") as caught:
        run_all(fail, [b""])
    assert "KeyError: 'the first'" in str(caught.value.__cause__)


def test_an_error_of_start() -> None:
    def start() -> Job:
        raise TransientError("not yet")

    with pytest.raises(TransientError, match="not yet"), WorkerPool(2, start) as pool:
        list(pool.run(numbered(3)))


def test_an_exit_in_a_function_is_not_swallowed() -> None:
    with pytest.raises(SystemExit):
        run_all(lambda item: sys.exit(3), [b""])


def test_an_error_of_the_items() -> None:
    def items() -> Iterator[bytes]:
        yield b"1"
        raise LookupError("the listing broke")

    with pytest.raises(LookupError, match="the listing broke"), WorkerPool(2, lambda: Calling(bytes)) as pool:
        list(pool.run(items()))


def test_logging_in_a_worker_does_not_hang() -> None:
    def tell(item: bytes) -> bytes:
        logging.getLogger("dirops.test").warning("item %s", item)
        return item

    assert len(run_all(tell, numbered(100))) == 100
