"""What a codec writes the next stage reads, or it is refused when it is written; and the advice is a way on."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from airflow_dirops.core import errors, open_snapshot, read_directory, transform_directory
from airflow_dirops.core.codecs import resolve_codec
from tests.core.directories import write_texts

SCALARS = arrays.scalar_dtypes() | arrays.unicode_string_dtypes() | arrays.byte_string_dtypes()
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
RECORDS = st.recursive(
    SCALARS | arrays.array_dtypes(SCALARS),
    lambda inner: st.lists(st.tuples(NAMES, inner), min_size=1, max_size=4, unique_by=lambda field: field[0]),
    max_leaves=6,
)


def chain(value: Any, codec: str, where: Path) -> Any:
    """A value through two stages, as a DAG has them."""
    source = write_texts(where / "raw", a="x")
    read_directory(source=source, target=where / "one", read=lambda path: value, codec=codec, version=str(where))
    options: dict[str, Any] = {"source_codec": "pickle"} if codec == "pickle" else {}
    transform_directory(
        source=where / "one", target=where / "two", transform=lambda value: value, codec=codec, version="1", **options
    )
    with open_snapshot(where / "two", codec=codec) as snapshot:
        (record,) = snapshot
        return record.value


def back(value: Any, codec: str) -> Any:
    """A value through the codec alone; None where it was refused, naming what to use."""
    file = io.BytesIO()
    try:
        resolve_codec(codec).encode(value, file)
    except errors.EncodeError as error:
        if not re.search(r"\b[Uu]se\b", str(error)):
            raise
        return None
    file.seek(0)
    return (resolve_codec(codec).decode(file),)


def leave_in_memory(byte: int, count: int) -> None:
    """Let the next array of some such size lie where others lay: numpy does not clear what it hands out."""
    for size in range(count, count + 16):
        del [np.full(size, byte, np.uint8) for _ in range(8)][:]


@pytest.mark.parametrize("codec", ["npy", "npz"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (0, 2), (2, 3, 4)], ids=str)
@pytest.mark.parametrize(
    "described",
    [
        [("a", "u1"), ("b", "f8")],
        [("x", [("a", "u1"), ("b", "i4")]), ("y", "u1")],
        [("a" * 70_000, "u1"), ("b", "f8")],
        [("\N{GREEK SMALL LETTER OMEGA}", "u1"), ("b", "f8")],
    ],
    ids=["flat", "nested", "version 2", "names beyond Latin-1"],
)
def test_records_are_written_and_read_with_zeros_between_their_fields(
    described: Any, shape: tuple[int, ...], order: Literal["C", "F"], codec: str
) -> None:
    dtype = np.dtype(described, align=True)
    dirty = np.full((*shape, dtype.itemsize), 7, np.uint8).view(dtype).reshape(shape)
    clean = np.zeros(shape, dtype, order=order)
    clean[...] = dirty
    files = [io.BytesIO(), io.BytesIO()]
    for array, file in zip((np.asarray(dirty, order=order), clean), files, strict=True):
        leave_in_memory(9, array.nbytes)
        resolve_codec(codec).encode({"x": array} if codec == "npz" else array, file)
    assert files[0].getvalue() == files[1].getvalue()
    files[0].seek(0)
    leave_in_memory(5, clean.nbytes)
    again = resolve_codec(codec).decode(files[0])
    again = again["x"] if codec == "npz" else again
    assert again.dtype == dtype
    # As it lies in memory: in another order numpy would copy it, without what is between the fields.
    assert again.tobytes("A") == clean.tobytes("A")


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(st.data(), RECORDS, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
def test_npy_any_dtype(data: st.DataObject, described: Any, shape: tuple[int, ...]) -> None:
    dtype = np.dtype(described, align=data.draw(st.booleans()) and isinstance(described, list))
    array = np.zeros(shape, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = back(array, "npy")
    if again is not None:
        assert (again[0].dtype, again[0].shape, again[0].tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize(
    "dtype",
    [
        pytest.param([(f"sensor_channel_temperature_{number:04d}", "f8") for number in range(400)], id="wide"),
        pytest.param([(f"channel_{number:05d}", "i2") for number in range(5_000)], id="version 2"),
        pytest.param([(f"канал_{number:05d}", "i2") for number in range(2_000)], id="version 3"),
        pytest.param([("a" * 20_000, "i4")], id="a long name"),
        pytest.param([(("a title", "a"), "i4"), ("b", "f8", (2, 3))], id="title and subarray"),
        pytest.param({"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 16], "itemsize": 64}, id="padded"),
        pytest.param([("t", "datetime64[25s]"), ("d", "timedelta64[ns]")], id="dates"),
        pytest.param("V7", id="void"),
        pytest.param(np.dtype("i4", metadata={"unit": "m"}), id="metadata"),
        pytest.param(np.dtype([("a", np.dtype("i4", metadata={"unit": "m"}))]), id="metadata of a field"),
    ],
)
@pytest.mark.parametrize("codec", ["npy", "npz"])
def test_npy_known_dtypes_through_two_stages(dtype: Any, codec: str, tmp_path: Path) -> None:
    array = np.zeros(3, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = chain(array if codec == "npy" else {"x": array}, codec, tmp_path)
    assert np.array_equal(again if codec == "npy" else again["x"], array)


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: np.zeros(2, [(f"a_long_name_of_a_channel_{number:09d}", "i1") for number in range(30_000)]), "astype"),
        (lambda: np.array([{}, []], object), "pickle|astype"),
    ],
)
def test_npy_what_would_not_be_read_is_refused(make: Callable[[], Any], advice: str, tmp_path: Path) -> None:
    with pytest.raises(errors.EncodeError, match=advice):
        chain(make(), "npy", tmp_path)
    assert not (tmp_path / "one").exists()


@given(st.dictionaries(st.text(st.characters(), max_size=12), st.integers(0, 3), max_size=4))
def test_npz_any_names(names: dict[str, int]) -> None:
    again = back({name: np.arange(size) for name, size in names.items()}, "npz")
    if again is None:
        assert any(not name or "\0" in name or re.search("[\ud800-\udfff]", name) for name in names)
    else:
        assert {name: len(array) for name, array in again[0].items()} == names


@pytest.mark.parametrize("name", ["a/b", "../x", "/x", "x.npy", "x.npy.npy", ".npy", "a\\b", "ü", "\U0001d4b3" * 900])
def test_npz_awkward_names(name: str, tmp_path: Path) -> None:
    assert list(chain({name: np.arange(2), "x": np.arange(3)}, "npz", tmp_path)) == [name, "x"]


def test_npz_a_name_that_no_archive_holds(tmp_path: Path) -> None:
    with pytest.raises(errors.EncodeError, match="names that are str"):
        chain({"n" * 70_000: np.arange(2)}, "npz", tmp_path)


def test_npz_a_small_file_that_would_fill_the_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        np.lib.format.write_array_header_1_0(
            member, {"descr": "|u1", "fortran_order": False, "shape": (300 * 1024**2,)}
        )
        for _ in range(300):
            member.write(bytes(1024**2))
    assert bomb.stat().st_size < 500_000
    with pytest.raises(ValueError, match=r"take 314,\d+,\d+ bytes.*numpy\.load"), bomb.open("rb") as file:
        resolve_codec("npz").decode(file)


def test_npz_a_compressed_array_is_read_in_place(tmp_path: Path) -> None:
    path = tmp_path / "half.npz"
    np.savez_compressed(path, x=np.zeros(200 * 1024**2, np.uint8))
    script = f"""
import resource
from airflow_dirops.core.codecs import resolve_codec
codec = resolve_codec("npz")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open({str(path)!r}, "rb") as file:
    codec.decode(file)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=True, capture_output=True, text=True)
    assert int(done.stdout) < 260


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_json_any_document(document: Any) -> None:
    again = back(document, "json")
    assert again is None or (again[0] == document and repr(again[0]) == repr(document))


@pytest.mark.parametrize("depth", [*range(20, 1_100, 60)])
def test_json_any_depth_through_two_stages(depth: int, tmp_path: Path) -> None:
    document: Any = 1
    for _ in range(depth):
        document = [document]
    try:
        assert chain(document, "json", tmp_path) == document
    except errors.EncodeError:
        assert depth > 300
    except RecursionError:
        assert depth > 900  # of this test's own comparison


@given(st.text(st.characters(), max_size=20))
def test_text_any(text: str) -> None:
    again = back(text, "text")
    assert again == (text,) or re.search("[\ud800-\udfff]", text)


@pytest.mark.parametrize("text", ["\ufeffx", "a\r\nb\rc\n\x85\u2028", "\0", ""])
def test_text_awkward(text: str, tmp_path: Path) -> None:
    assert chain(text, "text", tmp_path) == text


@given(st.binary(max_size=40), st.integers(1, 4), st.sampled_from([1, -1]))
def test_bytes_any_view(content: bytes, step: int, sign: int) -> None:
    view = memoryview(content)[:: step * sign]
    assert back(view, "bytes") == (view.tobytes(),)


@settings(max_examples=150)
@given(
    st.data(),
    arrays.scalar_dtypes(),
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5) | st.sampled_from([(3, 4, 3), (5, 2, 4)]),
)
def test_image_any_array(data: st.DataObject, dtype: Any, shape: tuple[int, ...]) -> None:
    image = data.draw(arrays.arrays(dtype, shape))
    again = back(image, "image")
    if again is not None:
        native = image.astype(image.dtype.newbyteorder("="))
        assert (again[0].dtype, again[0].shape, again[0].tobytes()) == (native.dtype, native.shape, native.tobytes())


def test_image_black_and_white_is_made_of_zeros_and_ones() -> None:
    mask = np.array([[True, False, True]])
    again = back(mask, "image")[0]
    assert again.tobytes() == mask.tobytes()
    assert again.view(np.uint8).sum() == 2


class Particular(Exception):
    """Can be pickled, and never read: its arguments are not those of ``__init__``."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(f"{name} {number}")


def test_pickle_what_cannot_be_made_again_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.EncodeError, match=r"(?s)key 'a'.*Particular.*cannot be read back.*TypeError"):
        chain(Particular("x", 1), "pickle", tmp_path)
    assert chain({"large": np.zeros(400_000)}, "pickle", tmp_path / "other")["large"].shape == (400_000,)
