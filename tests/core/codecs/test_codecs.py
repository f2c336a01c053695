"""Every codec keeps the contract."""

from __future__ import annotations

import io
import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from airflow_dirops.core.codecs import Codec, resolve_codec
from airflow_dirops.core.errors import EncodeError
from airflow_dirops.testing.codecs import CodecTests, write

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = np.random.default_rng(20261101)
PIXELS = RANDOM.integers(0, 256, (37, 53, 3), dtype=np.uint8)
STRUCTURED = np.array([(1, 2.5, "ä")], dtype=[("a", "<i2"), ("b", ">f8"), ("ключ", "<U3")])
OVERLAPPING = np.zeros(2, np.dtype({"names": ["a", "b"], "formats": ["<i4", "<i4"], "offsets": [0, 2], "itemsize": 8}))

ARRAYS = [
    PIXELS,
    PIXELS[:, :, 0],
    PIXELS[::-2, 1::3],
    np.asfortranarray(PIXELS),
    np.arange(6, dtype=">i8"),
    np.array([1.5, np.nan, np.inf, -0.0]),
    np.array(7, dtype=np.int16),
    np.zeros((0, 4), np.float32),
    np.zeros((3, 0, 2), np.complex64),
    np.array(["a", "bcd", ""]),
    np.array([b"", b""], dtype="S0"),
    np.array(["2026-11-01", "NaT"], dtype="datetime64[ns]"),
    np.ones((2, 2), bool),
    STRUCTURED[["a", "b"]].copy(),
]


def same_array(first: Any, second: Any) -> bool:
    first, second = np.asarray(first), np.asarray(second)
    return bool(
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.flags.f_contiguous >= second.flags.f_contiguous
        and first.tobytes() == second.tobytes()
    )


class TestNpy(CodecTests):
    def codec(self) -> Codec:
        return resolve_codec("npy")

    def examples(self) -> list[Any]:
        numbers = [3, 2**63 + 1, True, 2.5, 1j, np.float32(0.1), np.datetime64("2026-11-01")]
        return [*ARRAYS, *numbers, RANDOM.random((700, 100))]

    def refused(self) -> list[Any]:
        objects = [np.array([{}]), np.array([(1, None)], dtype=[("a", "i4"), ("b", "O")])]
        masked = np.ma.masked_less(np.arange(4), 2)
        return [*objects, masked, OVERLAPPING, {"a": 1}, "text", None, [1, 2], (1, 2), b"x", 2**64, object()]

    def equal(self, first: Any, second: Any) -> bool:
        return same_array(first, second)

    def test_the_same_bytes_as_numpy(self, example: Any, tmp_path: Path) -> None:
        with io.BytesIO() as file:
            np.save(file, example, allow_pickle=False)
            assert write(self.codec(), example, tmp_path / "value.npy") == file.getvalue()


class TestNpz(CodecTests):
    def codec(self) -> Codec:
        return resolve_codec("npz")

    def examples(self) -> list[Any]:
        several = {f"array {number}": array for number, array in enumerate(ARRAYS)}
        return [
            several,
            {"file": PIXELS, "маска.npy": np.eye(3), "a/b": 5},
            OrderedDict(z=ARRAYS[1], a=1.5),
            {},
        ]

    def refused(self) -> list[Any]:
        names = [{1: np.eye(2)}, {"": np.eye(2)}, {"a\0b": np.eye(2)}, {"\ud800": np.eye(2)}]
        return [*names, np.eye(2), [np.eye(2)], "text", None]

    def equal(self, first: Any, second: Any) -> bool:
        return list(first) == list(second) and all(same_array(first[name], second[name]) for name in second)


class Point(NamedTuple):
    x: float
    y: float


class TestPickle(CodecTests):
    def codec(self) -> Codec:
        return resolve_codec("pickle")

    def examples(self) -> list[Any]:
        return [Point(1, 2.5), {"a": [1, (2, None)]}, "text" * 5000, datetime(2026, 11, 1, tzinfo=UTC), int]

    def refused(self) -> list[Any]:
        return [lambda: None, threading.Lock(), [iter(range(n) for n in (1, 2))]]


class Level(IntEnum):
    HIGH = 3


class TestJson(CodecTests):
    def codec(self) -> Codec:
        return resolve_codec("json")

    def examples(self) -> list[Any]:
        scalars = [
            None,
            True,
            0,
            12,
            -0.5,
            1e300,
            2**80,
            "",
            "ä\u2028\n\0",
            np.float32(0.1),
            np.int8(-3),
            np.True_,
        ]
        return [
            *scalars,
            {},
            [],
            {"a": [1, {"b": None, "": "x"}]},
            {"n": np.int64(5)},
            [Level.HIGH],
            ["x"] * 9000,
        ]

    def refused(self) -> list[Any]:
        numbers = [float("nan"), [1.0, float("-inf")], np.float64("nan"), {"a": np.nan}]
        keys = [{1: "a"}, {None: "a"}, {"a": {2.5: 1}}, {("a", "b"): 1}]
        others = [
            np.eye(2),
            b"x",
            {1, 2},
            datetime(2026, 11, 1, tzinfo=UTC),
            object(),
            "\ud800",
            [np.datetime64("NaT")],
        ]
        return [*numbers, *keys, *others, _endless()]


def _endless() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


class TestText(CodecTests):
    framed = False

    def codec(self) -> Codec:
        return resolve_codec("text")

    def examples(self) -> list[Any]:
        return ["", "one line", "mixed\nline\r\nends\r", "\ufeffäöü €𝄞\0", "long " * 5000]

    def refused(self) -> list[Any]:
        return [b"bytes", 5, None, ["a"], "half \udc80 pair", np.eye(2)]


class TestBytes(CodecTests):
    framed = False

    def codec(self) -> Codec:
        return resolve_codec("bytes")

    def examples(self) -> list[Any]:
        return [b"", bytes(range(256)), bytearray(b"abc"), memoryview(b"abcdef")[::2], b"long" * 5000]

    def refused(self) -> list[Any]:
        return ["text", 5, None, [1, 2], np.eye(2)]


class TestImage(CodecTests):
    def codec(self) -> Codec:
        return resolve_codec("image")

    def examples(self) -> list[Any]:
        grey = PIXELS[:, :, 0]
        deep = RANDOM.integers(0, 2**16, (9, 3), dtype=np.uint16)
        alpha = RANDOM.integers(0, 256, (5, 4, 4), dtype=np.uint8)
        colours = [PIXELS, np.asfortranarray(PIXELS), PIXELS[::2, ::-1], alpha, PIXELS[:4, :1]]
        return [
            *colours,
            grey,
            grey > 99,
            deep,
            deep[::2],
            deep.astype(">u2"),
            np.zeros((1, 1), np.uint8),
            grey[:, :4],
        ]

    def refused(self) -> list[Any]:
        dtypes = [PIXELS / 255, PIXELS.astype(np.uint16), PIXELS > 9, PIXELS[:, :, 0].astype(np.int32)]
        shapes = [PIXELS[:, :, :2], PIXELS[:, :, :1], PIXELS[0, 0], PIXELS[None], PIXELS[:0]]
        return [*dtypes, *shapes, PIXELS.astype(object), [[1, 2]], "text", None]

    def equal(self, first: Any, second: Any) -> bool:
        return bool(first.dtype.name == second.dtype.name and np.array_equal(first, second))


@dataclass(frozen=True)
class PointCodec:
    """What a user writes: no base class, no registration."""

    name: str = "point"
    suffix: str = ".point.json"

    def encode(self, value: Any, file: BinaryIO) -> None:
        if not isinstance(value, Point):
            raise EncodeError(f"codec 'point' cannot write a {type(value).__name__}. Use Point(x, y).")
        file.write(json.dumps(value).encode())

    def decode(self, file: BinaryIO) -> Point:
        return Point(*json.loads(file.read()))


class TestUsersOwn(CodecTests):
    def codec(self) -> Codec:
        return PointCodec()

    def examples(self) -> list[Any]:
        return [Point(0, 0), Point(-1.5, 2)]

    def refused(self) -> list[Any]:
        return ["text", None, (1, 2)]
