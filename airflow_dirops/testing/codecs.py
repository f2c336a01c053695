"""What every codec must do, as tests to subclass."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, cast

import pytest

from airflow_dirops.core.codecs import Codec, resolve_codec
from airflow_dirops.core.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_CUTS = 100
_ROUNDS = 25


class CodecTests:
    """Subclass it, name the codec and some values, and pytest runs the contract on them::

    class TestPointCodec(CodecTests):
        def codec(self):
            return PointCodec()

        def examples(self):
            return [Point(0, 0), Point(-1.5, 2)]

        def refused(self):
            return ["a str", None]
    """

    framed: ClassVar[bool] = True
    """Whether the format shows that a file was cut off. False for plain text and the like, where any part
    of a file is a file; then every part must be read as exactly what it holds, or be refused."""

    def codec(self) -> Codec:
        """Make the codec under test."""
        raise NotImplementedError(f"{type(self).__name__} must say which codec it tests")

    def examples(self) -> Sequence[Any]:
        """Values that the codec gives back as they were: small and large, empty, awkward."""
        raise NotImplementedError(f"{type(self).__name__} must give values that its codec can write")

    def refused(self) -> Sequence[Any]:
        """Values that the codec must refuse, since they would not come back as they were."""
        raise NotImplementedError(f"{type(self).__name__} must give values that its codec refuses")

    def equal(self, first: Any, second: Any) -> bool:
        """Whether a value came back as it was."""
        return bool(first == second)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test once per value: a hook that pytest looks for in test classes, too."""
        for fixture, values in (("example", self.examples), ("refusal", self.refused)):
            if fixture in metafunc.fixturenames:
                metafunc.parametrize(fixture, _labelled(values()))

    def test_name_and_suffix_can_be_used(self) -> None:
        codec = self.codec()
        _expect(resolve_codec(codec) is codec, "resolve_codec takes the codec as it is")

    def test_a_value_comes_back(self, example: Any, tmp_path: Path) -> None:
        path = tmp_path / "value"
        write(self.codec(), example, path)
        value = read(self.codec(), path)
        path.unlink()
        _expect(self.equal(value, example), f"{example!r:.200} comes back as it was, not as {value!r:.200}")

    def test_the_file_is_left_open(self, example: Any, tmp_path: Path) -> None:
        with one_way_file(tmp_path / "value") as written:
            self.codec().encode(example, written)
            _expect(not written.closed, "encode leaves closing the file to its caller")
        with open(tmp_path / "value", "rb") as file:
            self.codec().decode(file)
            _expect(not file.closed, "decode leaves closing the file to its caller")

    def test_a_value_gives_the_same_bytes_each_time(self, example: Any, tmp_path: Path) -> None:
        first = write(self.codec(), example, tmp_path / "first")
        again = write(self.codec(), example, tmp_path / "again")
        _expect(first == again, "the same value gives the same bytes, so that digests can be compared")

    def test_a_cut_file_is_not_taken_for_another_value(self, example: Any, tmp_path: Path) -> None:
        whole = write(self.codec(), example, tmp_path / "whole")
        for length in _cuts(len(whole)):
            (tmp_path / "cut").write_bytes(whole[:length])
            value = _decoded_or_none(self.codec(), tmp_path / "cut")
            if value is not None:
                self._expect_faithful(value[0], example, whole[:length], tmp_path)

    def test_an_empty_file_is_no_value(self, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        value = _decoded_or_none(self.codec(), tmp_path / "empty")
        if value is not None:
            _expect(not self.framed, f"an empty file is damage, not {value[0]!r:.200}")
            _expect(write(self.codec(), value[0], tmp_path / "again") == b"", "an empty file is an empty value")

    def test_a_value_it_cannot_write_is_refused(self, refusal: Any, tmp_path: Path) -> None:
        with pytest.raises(EncodeError) as caught:
            write(self.codec(), refusal, tmp_path / "value")
        message = str(caught.value)
        _expect(type(refusal).__name__ in message, f"the message names the type: {message}")
        _expect(bool(re.search(r"\b[Uu]se\b", message)), f"the message says what to use: {message}")

    def test_threads_can_share_it(self, tmp_path: Path) -> None:
        codec, examples = self.codec(), self.examples()
        alone = [write(codec, example, tmp_path / "alone") for example in examples]

        def work(worker: int) -> list[bytes]:
            return [_rewritten(codec, example, tmp_path / f"{worker}") for example in examples]

        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(work, range(_ROUNDS)))
        _expect(together == [alone] * _ROUNDS, "threads that share a codec write and read what one thread does")

    def test_forked_workers_can_share_it(self, tmp_path: Path) -> None:
        codec, examples = self.codec(), self.examples()
        here = [write(codec, example, tmp_path / "here") for example in examples]
        there = _in_a_fork(lambda: [_rewritten(codec, example, tmp_path / "there") for example in examples])
        _expect(there == here, "a worker that inherits the codec writes and reads what its parent does")

    def _expect_faithful(self, value: Any, example: Any, cut: bytes, folder: Path) -> None:
        faithful = self.equal(value, example) if self.framed else write(self.codec(), value, folder / "again") == cut
        _expect(faithful, f"a file cut after {len(cut)} bytes raises, and is not read as {value!r:.200}")


def write(codec: Codec, value: Any, path: Path) -> bytes:
    """Encode into a file as stages do, and return the bytes that arrived."""
    with one_way_file(path) as file:
        codec.encode(value, file)
    return path.read_bytes()


def read(codec: Codec, path: Path) -> Any:
    """Decode a file as readers do."""
    with open(path, "rb") as file:
        return codec.decode(file)


def one_way_file(path: Path) -> BinaryIO:
    """Open a file that takes bytes and nothing else: no reading, no seeking, no descriptor."""
    return cast("BinaryIO", io.BufferedWriter(_OneWay(path)))


class _OneWay(io.RawIOBase):
    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed by close()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int | None:
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _rewritten(codec: Codec, example: Any, path: Path) -> bytes:
    """What is written of a value that was written and read before, which shows a flaw of either."""
    write(codec, example, path)
    return write(codec, read(codec, path), path)


def _decoded_or_none(codec: Codec, path: Path) -> tuple[Any] | None:
    try:
        return (read(codec, path),)
    except Exception:
        return None


def _cuts(length: int) -> Sequence[int]:
    """Every length that is too short, or of a large file some, and all of those that end close to an end."""
    if length <= 3 * _CUTS:
        return range(length)
    return [*range(_CUTS), *range(_CUTS, length - _CUTS, length // _CUTS), *range(length - _CUTS, length)]


def _in_a_fork(work: Callable[[], list[bytes]]) -> list[bytes] | None:
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(work()))
    child.start()
    sender.close()
    try:
        answer: list[bytes] = receiver.recv()
    except EOFError:
        return None
    finally:
        child.join()
        receiver.close()
    return answer


def _labelled(values: Sequence[Any]) -> list[Any]:
    return [pytest.param(value, id=f"{number}-{type(value).__name__}") for number, value in enumerate(values)]


def _expect(fact: bool, promise: str) -> None:
    # Not an assert, which python -O would drop, and pytest explains only in the author's own tests.
    if not fact:
        pytest.fail(f"broken promise: {promise}")
