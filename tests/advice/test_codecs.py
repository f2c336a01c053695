"""The codec that a refusal names takes the very value that was refused, and so does the other advice about codecs."""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dirops.core import open_snapshot, read_directory, transform_directory
from airflow_dirops.core.codecs.registry import _BUILT_IN, ENTRY_POINT_GROUP, resolve_codec
from airflow_dirops.core.errors import EncodeError
from tests.advice.conftest import Run

Refused = Callable[..., str]


class Opaque:
    """A class that only pickle can write."""


LOOP: list[Any] = [1]
LOOP.append(LOOP)

VALUES = {
    "half a surrogate pair": "\ud800",
    "a file name": "caf\udce9",
    "bytes": b"x",
    "memoryview": memoryview(b"xy"),
    "arrays": {"a": np.zeros(2)},
    "arrays under numbers": {1: np.zeros(2)},
    "arrays under no name": {"\0": np.zeros(2)},
    "numbers under numbers": {1: 2},
    "an array among others": {"a": np.zeros(2), "b": 1},
    "a list": [1],
    "arrays in a list": [np.zeros(2)],
    "ragged": [[1], [1, 2]],
    "infinity": [float("inf")],
    "not a number": float("nan"),
    "a large number": 2**70,
    "none": None,
    "an object": Opaque(),
    "a set": {1},
    "an array of objects": np.array([Opaque()], object),
    "an array of numbers as objects": np.array([1, 2], object),
    "a masked array": np.ma.zeros(3),
    "a picture of floats": np.zeros((2, 2)),
    "a picture of large floats": np.full((2, 2), 300.0),
    "a curve": np.zeros(2),
    "five channels": np.zeros((2, 2, 5), np.uint8),
    "itself": LOOP,
}


def refusal(codec: str, value: Any) -> str | None:
    try:
        resolve_codec(codec).encode(value, io.BytesIO())
    except EncodeError as error:
        return str(error)
    return None


def advised(message: str) -> str:
    return message.partition("; use ")[2].partition("\n")[0]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("codec", _BUILT_IN)
def test_the_codec_that_is_named_takes_the_value(codec: str, value: Any) -> None:
    if (message := refusal(codec, value)) is None:
        return
    advice = advised(message)
    assert advice, message
    plain = re.sub(r"\S+\(\S* ?\S*\) with codec='\w+'", "", advice)
    for name in re.findall(r"codec='(\w+)'", plain):
        assert refusal(name, value) is None, message


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), st.lists))
def test_so_it_does_for_any_value(value: Any) -> None:
    for codec in _BUILT_IN:
        if message := refusal(codec, value):
            for name in re.findall(r" codec='(\w+)'", advised(message)):
                assert name == "bytes" or refusal(name, value) is None, message


@pytest.mark.parametrize("name", ["half a surrogate pair", "a file name"])
def test_text_that_is_no_unicode_is_written_as_bytes(name: str) -> None:
    value = VALUES[name]
    found = re.match(r"value\.encode\('utf-8', ('\w+')\) with codec='(\w+)'", advised(refusal("text", value) or ""))
    assert found
    handler = ast.literal_eval(found[1])
    assert refusal(found[2], value.encode("utf-8", handler)) is None
    assert value.encode("utf-8", handler).decode("utf-8", handler) == value


def test_a_picture_of_floats_is_converted() -> None:
    from skimage.util import img_as_ubyte

    picture = VALUES["a picture of floats"]
    assert advised(refusal("image", picture) or "").startswith("skimage.util.img_as_ubyte(image)")
    assert refusal("image", img_as_ubyte(picture)) is None


def test_arrays_get_a_plain_dtype_and_masks_are_filled() -> None:
    numbers, masked = VALUES["an array of numbers as objects"], VALUES["a masked array"]
    assert "array.astype(...)" in advised(refusal("npy", numbers) or "")
    assert refusal("npy", numbers.astype(np.int64)) is None
    assert "value.filled()" in advised(refusal("npy", masked) or "")
    assert refusal("npy", masked.filled()) is None
    assert "numpy.array(...)" in advised(refusal("npy", [1]) or "")
    assert refusal("npy", np.array([1])) is None


def test_what_json_cannot_hold_is_written_as_it_says() -> None:
    value = {1: np.zeros(2), "missing": float("nan")}
    message = refusal("json", value) or ""
    assert all(way in message for way in ("None for what is missing", "str for keys", ".tolist() for arrays"))
    assert "use str(1)" in message
    assert refusal("json", {str(1): value[1].tolist(), "missing": None}) is None


class Points:
    name, suffix = "points", ".points"

    def encode(self, value: str, file: BinaryIO) -> None:
        file.write(value.encode())

    def decode(self, file: BinaryIO) -> str:
        return file.read().decode()


def test_a_codec_that_is_not_known_is_given_as_an_object(run: Run, target: Path, refused: Refused) -> None:
    message = refused(run, codec="points")
    assert "give one of your own as an object, in codec= to write and in source_codec= " in message
    run(codec=Points())
    upper: dict[str, Any] = {"source": target, "target": target.with_name("upper"), "transform": str.upper}
    assert "there is no codec 'points'" in refused(transform_directory, codec="text", **upper)
    transform_directory(codec="text", source_codec=Points(), **upper)
    with open_snapshot(target) as snapshot:
        assert "(open_snapshot: codec=) to read" in refused(lambda: next(iter(snapshot)).value)
    with open_snapshot(target, codec=Points()) as snapshot:
        assert [record.value for record in snapshot] == ["aaa", "bbb", "ccc"]


def test_or_registered(
    run: Run, target: Path, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = re.findall(r"under the entry point group '([\w.]+)'", refused(run, codec="points"))
    assert group == [ENTRY_POINT_GROUP]
    installed = tmp_path / "site/points-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: points\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{group[0]}]\npoints = {__name__}:Points\n")
    monkeypatch.syspath_prepend(installed.parent)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Points.__module__])
    run(codec="points")
    with open_snapshot(target) as snapshot:
        assert [record.value for record in snapshot] == ["aaa", "bbb", "ccc"]


def test_a_misspelt_codec_is_the_one_that_is_meant(run: Run, refused: Refused) -> None:
    (meant,) = re.findall(r"did you mean '(\w+)'\?", refused(run, codec="txt"))
    run(codec=meant)


def test_a_pickle_is_read_where_that_is_said(run: Run, target: Path, refused: Refused) -> None:
    run(codec="pickle")
    upper: dict[str, Any] = {"source": target, "target": target.with_name("upper"), "transform": str.upper}
    message = refused(transform_directory, codec="text", **upper)
    assert "say so with source_codec='pickle' (codec='pickle' when reading)" in message
    transform_directory(codec="text", source_codec="pickle", **upper)
    with open_snapshot(target, codec="pickle") as snapshot:
        assert [record.value for record in snapshot] == ["aaa", "bbb", "ccc"]


def test_a_codec_of_another_kind_is_made_again(run: Run, refused: Refused) -> None:
    run(version="1")
    message = refused(run, codec="json", version="1", accept_code_change=True)
    assert "leave it out, so that they are made again" in message
    assert run(codec="json", version="1").counts["computed"] == 3


def test_a_class_is_given_as_an_object(run: Run, refused: Refused) -> None:
    (call,) = re.findall(r"give an object of it: (\w+\(\))", refused(run, codec=Points))
    run(codec=eval(call))


def test_every_built_in_codec_is_read_by_its_own_name(raw: Path, tmp_path: Path) -> None:
    for codec, value in {"npz": {"a": np.zeros(1)}, "json": [1], "bytes": b"x", "npy": 1}.items():
        read_directory(source=raw, target=tmp_path / codec, read=lambda _, value=value: value, codec=codec, stage="s")
        with open_snapshot(tmp_path / codec) as snapshot:
            assert len([record.value for record in snapshot]) == 3
