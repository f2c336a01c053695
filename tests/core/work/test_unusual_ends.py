"""User code that ends in unusual ways: one file costs one file, and what is meant for the stage ends the stage."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_dirops.core import errors, read_directory, transform_directory
from airflow_dirops.core.messages.shown import is_shown
from airflow_dirops.core.messages.tracebacks import ErrorInWords, make_presentable, shown_traceback
from tests.core.conftest import Run
from tests.core.directories import assert_whole, lines_of, nothing_lost, values_of
from tests.core.seed import read_text

HUGE = "x" * 15_000_000


class Abandon(BaseException):
    """What a library of the user's raises."""


class Textless(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text")

    __repr__ = __str__


class Unpicklable(Exception):
    def __reduce__(self) -> Any:
        raise SystemExit("not picklable")


class Unequal:
    """What a function may give back: no question about it has an answer."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("do not compare")

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        raise ValueError("do not count")

    def __bool__(self) -> bool:
        raise ValueError("do not ask")

    def __iter__(self) -> Iterator[Any]:
        raise SystemExit("do not iterate")


class UnequalText(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise ValueError("do not compare")

    __hash__ = str.__hash__


def with_note(error: BaseException, note: Any) -> BaseException:
    error.__notes__ = note
    return error


def from_cause(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def long_chain() -> BaseException:
    error = ValueError("0")
    for number in range(2_000):
        error = from_cause(ValueError(str(number)), error)  # type: ignore[assignment]
    return error


ENDS: dict[str, Callable[[], BaseException]] = {
    "exit 0": lambda: SystemExit(0),
    "exit without a code": lambda: SystemExit(),
    "exit with a text": lambda: SystemExit("caf\udce9"),
    "cancelled": lambda: asyncio.CancelledError(),
    "generator exit": lambda: GeneratorExit(),
    "own BaseException": lambda: Abandon("enough"),
    "text that exits": lambda: Textless(),
    "cannot be pickled": lambda: Unpicklable("x"),
    "huge": lambda: ValueError(HUGE),
    "lone surrogates": lambda: OSError(2, "caf\udce9", os.fsdecode(b"caf\xe9")),
    "bytes as a filename": lambda: OSError(2, "gone", b"caf\xe9"),
    "unprintable note": lambda: with_note(ValueError("x"), ["caf\udce9", Textless(), HUGE]),
    "note that is no list": lambda: with_note(ValueError("x"), 3),
    "unprintable cause": lambda: from_cause(ValueError("x"), OSError("caf\udce9")),
    "long chain": long_chain,
    "group": lambda: BaseExceptionGroup(
        "caf\udce9", [SystemExit(0), ValueError(HUGE), ExceptionGroup("g", [Textless()])]
    ),
    "large group": lambda: ExceptionGroup("g", [ValueError(str(number)) for number in range(5_000)]),
    "syntax error": lambda: SyntaxError("bad", ("caf\udce9.py", 1, 1, HUGE)),
    "decode error": lambda: UnicodeDecodeError("utf-8", b"x" * 15_000_000, 0, 1, "caf\udce9"),
    "huge type name": lambda: type("E" * 100_000, (Exception,), {})("x"),
    "unprintable type name": lambda: type("caf\udce9", (Exception,), {})("x"),
    "recursion": lambda: RecursionError("maximum recursion depth exceeded"),
    "memory": lambda: MemoryError(),
    "not implemented": lambda: NotImplementedError(),
}


def on_b(end: Callable[[], BaseException]) -> Callable[[str], str]:
    def read(path: str) -> str:
        if path.endswith("b.txt"):
            raise end()
        return read_text(path)

    return read


def assert_presentable(error: BaseException | None) -> None:
    """As a log does that writes the whole chain."""
    for _ in range(20):
        if error is None:
            return
        assert is_shown(str(error), 20_000)
        assert len(str(error)) < 20_000
        assert all(is_shown(note) for note in getattr(error, "__notes__", ()))
        assert is_shown(type(error).__name__)
        text = "".join(traceback.format_exception(error, chain=False))
        text.encode()
        assert len(text) < 100_000
        error = error.__cause__ or error.__context__
    pytest.fail("the chain has no end")


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("workers", [1, 2])
class TestOneFileCostsOneFile:
    def test_in_quarantine(
        self, run: Run, target: Path, end: Callable[[], BaseException], workers: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        outcome = run(read=on_b(end), on_error="quarantine", workers=workers)
        assert (outcome.counts["entries"], outcome.counts["quarantined"]) == (2, 1)
        (line,) = lines_of(target, "quarantine.jsonl")
        assert line["path"] == "b.txt"
        for name, most in (("error", 300), ("message", 4_100), ("traceback", 4_100)):
            assert len(line[name]) < most
            assert is_shown(line[name])
        assert "in read" in line["traceback"]
        assert line["place"].startswith(f"{__file__}, line ")
        assert all(is_shown(message) for message in caplog.messages)
        assert len(caplog.text) < 10_000
        assert_whole(target)

    def test_at_the_first_error(self, run: Run, target: Path, end: Callable[[], BaseException], workers: int) -> None:
        run()
        with nothing_lost(target), pytest.raises(errors.RecordFailed, match=r"'.*b\.txt'") as caught:
            run(read=on_b(end), workers=workers)
        assert_presentable(caught.value)
        assert run().outcome == "unchanged"


SOME_ENDS = [SystemExit(0), asyncio.CancelledError(), GeneratorExit(), Abandon(), Textless(), RecursionError()]


@pytest.mark.parametrize("end", SOME_ENDS, ids=lambda end: type(end).__name__)
class TestWhereverItHappens:
    @pytest.fixture
    def source(self, texts: Path, tmp_path: Path) -> Path:
        read_directory(source=texts, target=tmp_path / "first", read=read_text, codec="text")
        return tmp_path / "first"

    @pytest.mark.parametrize("batch_size", [None, 1, 3])
    @pytest.mark.parametrize("workers", [1, 2])
    def test_in_transform(
        self, source: Path, target: Path, end: BaseException, workers: int, batch_size: int | None
    ) -> None:
        def one(value: str) -> str:
            if value == "beta":
                raise end
            return value

        def many(values: list[str]) -> list[str]:
            return [one(value) for value in values]

        outcome = transform_directory(
            source=source,
            target=target,
            transform=many if batch_size else one,
            codec="text",
            on_error="quarantine",
            workers=workers,
            batch_size=batch_size,
        )
        assert outcome.counts["quarantined"] == 1
        assert values_of(target) == {"a": "alpha", "c": "gamma"}

    def test_in_a_generator_at_its_second_record(self, run: Run, target: Path, end: BaseException) -> None:
        def halves(path: str) -> Iterator[tuple[str, str]]:
            yield Path(path).stem + "-1", "one"
            if path.endswith("b.txt"):
                raise end
            yield Path(path).stem + "-2", "two"

        assert run(read=halves, on_error="quarantine").counts["quarantined"] == 1
        assert sorted(values_of(target)) == ["a-1", "a-2", "c-1", "c-2"]

    def test_while_a_generator_is_closed(self, run: Run, target: Path, end: BaseException) -> None:
        def halves(path: str) -> Iterator[tuple[str, Any]]:
            try:
                yield Path(path).stem, object() if path.endswith("b.txt") else "one"
            finally:
                if path.endswith("c.txt"):
                    raise end

        assert run(read=halves, on_error="quarantine").counts["quarantined"] == 2
        assert sorted(values_of(target)) == ["a"]

    @pytest.mark.parametrize("workers", [1, 2])
    def test_in_a_codec(self, run: Run, target: Path, end: BaseException, workers: int) -> None:
        class Codec:
            name, suffix = "odd", ".odd"

            def encode(self, value: str, file: Any) -> None:
                file.write(b"half")
                if value == "beta":
                    raise end
                file.write(value.encode())

            def decode(self, file: Any) -> str:
                text = str(file.read().decode())
                if text == "halfgamma":
                    raise end
                return text

        outcome = run(codec=Codec(), on_error="quarantine", workers=workers)
        assert outcome.counts["quarantined"] == 1
        second = target.parent / "second"
        outcome = transform_directory(
            source=target,
            source_codec=Codec(),
            target=second,
            transform=str,
            codec="text",
            on_error="quarantine",
            workers=workers,
        )
        assert outcome.counts["quarantined"] == 1
        assert values_of(second) == {"a": "halfalpha"}

    def test_in_a_join(self, source: Path, target: Path, end: BaseException) -> None:
        def both(left: str, right: str) -> str:
            if left == "beta":
                raise end
            return left + right

        outcome = transform_directory(
            source=[source, source], join="inner", target=target, transform=both, codec="text", on_error="quarantine"
        )
        assert outcome.counts["quarantined"] == 1

    def test_in_an_aggregate(self, source: Path, target: Path, end: BaseException) -> None:
        def total(records: Iterator[Any]) -> str:
            list(records)
            raise end

        with pytest.raises(errors.RecordFailed, match="total failed on the records") as caught:
            transform_directory(source=source, target=target, aggregate=total, codec="text", on_error="quarantine")
        assert_presentable(caught.value)
        assert not target.exists()

    def test_in_what_an_aggregate_reads(self, texts: Path, target: Path, end: BaseException) -> None:
        def total(records: Iterator[Any]) -> str:
            return " ".join(record.value for record in records)

        outcome = transform_directory(
            source=texts, target=target, read=on_b(lambda: end), aggregate=total, codec="text", on_error="quarantine"
        )
        assert outcome.counts["quarantined"] == 1
        assert values_of(target) == {"total": "alpha gamma"}


@pytest.mark.parametrize("given_back", [Unequal(), [Unequal(), Unequal()], (UnequalText("x"), 1)])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_value_that_answers_no_question(run: Run, given_back: Any, workers: int) -> None:
    def read(path: str) -> Any:
        return given_back if path.endswith("b.txt") else read_text(path)

    assert run(read=read, on_error="quarantine", workers=workers).counts["quarantined"] == 1


def test_a_batch_that_answers_no_question(texts: Path, target: Path) -> None:
    def many(values: list[str]) -> Any:
        return Unequal() if "beta" in values else values

    outcome = transform_directory(
        source=texts, target=target, read=read_text, transform=many, batch_size=2, codec="text", on_error="quarantine"
    )
    assert outcome.counts["quarantined"] == 1
    assert values_of(target) == {"a": "alpha", "c": "gamma"}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_function_that_breaks_the_streams(run: Run, target: Path, workers: int) -> None:
    def read(path: str) -> str:
        sys.stdout = Unequal()  # type: ignore[assignment]
        sys.stderr = None
        sys.excepthook = lambda *_: os._exit(3)
        threading.Thread(target=signal.pause, daemon=True).start()
        return read_text(path)

    before = sys.stdout, sys.stderr, sys.excepthook
    try:
        assert run(read=read, workers=workers).counts["entries"] == 3
    finally:
        sys.stdout, sys.stderr, sys.excepthook = before
    assert_whole(target)


def test_a_function_that_closes_the_standard_streams(texts: Path, target: Path) -> None:
    script = f"""
import os
from airflow_dirops.core import read_directory
def read(path):
    for number in range(3):
        try: os.close(number)
        except OSError: pass
    return open(path).read()
outcome = read_directory(source={str(texts)!r}, target={str(target)!r}, read=read, codec="text")
os._exit(0 if outcome.counts["entries"] == 3 else 4)
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert done.returncode == 0
    assert values_of(target) == {"a": "alpha", "b": "beta", "c": "gamma"}
    assert_whole(target)


class AirflowTimeout(BaseException):
    __module__ = "airflow.sdk.exceptions"


class TimeoutOfAPlugin(AirflowTimeout):
    """Derived from Airflow's."""


@pytest.mark.parametrize("stop", [errors.Stopped, KeyboardInterrupt, AirflowTimeout, TimeoutOfAPlugin])
@pytest.mark.parametrize("options", [{}, {"batch_size": 2}])
def test_what_is_meant_for_the_stage_ends_it(
    run: Run, target: Path, stop: type[BaseException], options: dict[str, Any]
) -> None:
    run()

    def end(value: Any) -> Any:
        raise stop("now")

    with nothing_lost(target), pytest.raises(stop):
        run(transform=end, on_error="quarantine", max_failures="100%", **options) if options else run(
            read=end, on_error="quarantine", max_failures="100%"
        )


@pytest.mark.parametrize("error", [SystemExit(7), Abandon("stop all")])
def test_what_a_signal_handler_raises_ends_the_stage(run: Run, target: Path, error: BaseException) -> None:
    run()

    class Handler:
        def __call__(self, *_: object) -> None:
            raise error

    def interrupted(path: str) -> str:
        signal.raise_signal(signal.SIGTERM)
        return read_text(path)

    before = signal.signal(signal.SIGTERM, Handler())
    try:
        with nothing_lost(target), pytest.raises(type(error)):
            run(read=interrupted, on_error="quarantine", max_failures="100%")
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_handler_of_the_functions_own_is_about_its_file(run: Run, workers: int) -> None:
    def leave(*_: object) -> None:
        raise SystemExit(0)

    def read(path: str) -> str:
        before = signal.signal(signal.SIGALRM, leave)
        try:
            if path.endswith("b.txt"):
                signal.raise_signal(signal.SIGALRM)
        finally:
            signal.signal(signal.SIGALRM, before)
        return read_text(path)

    assert run(read=read, on_error="quarantine", workers=workers).counts["quarantined"] == 1


def wrapped(error: Exception) -> Exception:
    found = ValueError("cannot open the file")
    found.__cause__ = error
    return found


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("error", "expected", "advice"),
    [
        (OSError(errno.EMFILE, "Too many open files"), errors.StorageError, "ulimit -n"),
        (wrapped(OSError(errno.ENFILE, "Too many open files in system")), errors.StorageError, "which program"),
        (RuntimeError("can't start new thread"), errors.ResourcesExhausted, "fewer workers"),
    ],
)
def test_what_every_file_would_meet_is_no_fault_of_one(
    run: Run, target: Path, error: Exception, expected: type[errors.DiropsError], advice: str, workers: int
) -> None:
    run()
    with nothing_lost(target), pytest.raises(expected, match=advice) as caught:
        run(read=on_b(lambda: error), on_error="quarantine", max_failures="100%", workers=workers)
    assert isinstance(caught.value, errors.TransientError)
    assert run().outcome == "unchanged"


def test_a_function_that_leaks_descriptors(texts: Path, target: Path) -> None:
    """The advice is followed: with a higher limit the same stage succeeds."""
    script = f"""
import resource, sys
from airflow_dirops.core import errors, read_directory
leaked = []
def read(path):
    leaked.extend(open(path) for _ in range(30))
    return open(path).read()
def attempt(limit):
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, 4096))
    return read_directory(source={str(texts)!r}, target={str(target)!r}, read=read, codec="text",
        on_error="quarantine", version="1")
try:
    attempt(64)
except errors.StorageError as error:
    assert "ulimit -n" in str(error), error
else:
    sys.exit(3)
leaked.clear()
assert attempt(1024).counts["entries"] == 3
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_whole(target)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_nothing_left_outside_of_the_function(run: Run, target: Path, error: Exception) -> None:
    run()

    def tell(progress: Any) -> None:
        raise error

    with nothing_lost(target), pytest.raises(errors.ResourcesExhausted, match="finished files are kept"):
        run(read=lambda path: path, on_progress=tell)


def test_huge_messages_cost_no_memory(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "many"
    source.mkdir()
    for number in range(60):
        (source / f"{number}.txt").write_text("x")
    script = f"""
import resource
from airflow_dirops.core import read_directory
def read(path):
    if path.endswith("/7.txt"): return "good"
    raise ValueError("x" * 20_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_directory(source={str(source)!r}, target={str(target)!r}, read=read, codec="text", on_error="quarantine")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=120, check=True, capture_output=True, text=True)
    assert int(done.stdout) < 150
    assert len(done.stderr) < 300_000
    assert (target / "_dirops/quarantine.jsonl").stat().st_size < 600_000


ANY_ERROR = st.recursive(
    st.builds(ValueError, st.text(st.characters(), max_size=50)) | st.builds(SystemExit) | st.builds(Textless),
    lambda inner: (
        st.builds(from_cause, inner, inner)
        | st.builds(lambda members: BaseExceptionGroup("g", members), st.lists(inner, min_size=1, max_size=3))
        | st.builds(with_note, inner, st.lists(st.text(st.characters()), max_size=2))
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(ANY_ERROR)
def test_any_chain_can_be_written(cause: BaseException) -> None:
    assert is_shown(shown_traceback(cause))
    error = errors.RecordFailed("it failed")
    error.__cause__ = cause
    make_presentable(error)
    assert_presentable(error)


def test_a_cause_that_can_be_written_is_kept_and_one_that_cannot_is_told_in_words() -> None:
    error, good, bad = errors.RecordFailed("x"), ValueError("good"), OSError("caf\udce9")
    error.__cause__, good.__cause__ = good, bad
    make_presentable(error)
    assert error.__cause__ is good
    assert isinstance(good.__cause__, ErrorInWords)
    assert str(good.__cause__) == "OSError: caf\\udce9\n"
