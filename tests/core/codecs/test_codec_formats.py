"""What each format promises beyond the contract of all codecs."""

from __future__ import annotations

import io
import json
import tracemalloc
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dirops.core.codecs import resolve_codec
from airflow_dirops.core.errors import EncodeError
from airflow_dirops.testing.codecs import one_way_file, read, write

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = np.random.default_rng(20261101)
PIXELS = RANDOM.integers(0, 256, (37, 53, 3), dtype=np.uint8)
STRUCTURED = np.array([(1, 2.5, "ä")], dtype=[("a", "<i2"), ("b", ">f8"), ("ключ", "<U3")])


def same_array(first: Any, second: Any) -> bool:
    first, second = np.asarray(first), np.asarray(second)
    return bool(
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.flags.f_contiguous >= second.flags.f_contiguous
        and first.tobytes() == second.tobytes()
    )


def numpy_bytes(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


class TestNpyIsNumpys:
    @pytest.mark.filterwarnings("ignore:Stored array in format")
    @pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
    def test_all_versions_of_the_format_are_read(self, version: tuple[int, int], tmp_path: Path) -> None:
        with open(tmp_path / "value.npy", "wb") as file:
            np.lib.format.write_array(file, PIXELS, version=version)
        assert same_array(read(resolve_codec("npy"), tmp_path / "value.npy"), PIXELS)

    @pytest.mark.filterwarnings("ignore:Stored array in format")
    def test_field_names_of_any_script(self, tmp_path: Path) -> None:
        write(resolve_codec("npy"), STRUCTURED, tmp_path / "value.npy")
        assert same_array(read(resolve_codec("npy"), tmp_path / "value.npy"), STRUCTURED)
        assert same_array(np.load(tmp_path / "value.npy"), STRUCTURED)

    def test_pickled_objects_are_not_read(self, tmp_path: Path) -> None:
        np.save(tmp_path / "value.npy", np.array([{}]), allow_pickle=True)
        with pytest.raises(ValueError, match="pickled objects"):
            read(resolve_codec("npy"), tmp_path / "value.npy")

    @given(data=st.data())
    def test_any_view_of_an_array(self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
        axes = data.draw(st.permutations(range(3)))
        steps = data.draw(st.tuples(*[st.sampled_from((1, -1, 2, -3, 5))] * 3))
        view = PIXELS.transpose(axes)[tuple(slice(None, None, step) for step in steps)]
        path = tmp_path_factory.mktemp("view") / "value.npy"
        assert write(resolve_codec("npy"), view, path) == numpy_bytes(view)
        assert same_array(read(resolve_codec("npy"), path), view)

    def test_a_large_view_is_written_block_by_block(self, tmp_path: Path) -> None:
        view = np.broadcast_to(np.arange(2**16, dtype=np.uint8), (2**10, 2**16))[:, ::2]
        peak = _peak(lambda: _encode("npy", view, tmp_path / "value.npy"))
        assert peak < view.nbytes / 4
        assert np.array_equal(np.load(tmp_path / "value.npy", mmap_mode="r"), view)

    def test_a_contiguous_array_is_not_copied(self, tmp_path: Path) -> None:
        array = np.zeros((2**12, 2**12), np.uint8)
        assert _peak(lambda: _encode("npy", array, tmp_path / "value.npy")) < array.nbytes / 16
        assert _peak(lambda: _encode("npy", array.T, tmp_path / "value.npy")) < array.nbytes / 16


def _encode(name: str, value: Any, path: Path) -> None:
    with one_way_file(path) as file:
        resolve_codec(name).encode(value, file)


def _peak(work: Any) -> int:
    work()  # once before, for imports and memos
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class TestNpzIsNumpys:
    def test_numpy_reads_it(self, tmp_path: Path) -> None:
        write(resolve_codec("npz"), {"image": PIXELS, "scale": 2.5}, tmp_path / "value.npz")
        with np.load(tmp_path / "value.npz") as arrays:
            assert same_array(arrays["image"], PIXELS)
            assert arrays["scale"] == 2.5

    def test_it_reads_numpys(self, tmp_path: Path) -> None:
        np.savez_compressed(tmp_path / "value.npz", image=PIXELS)
        assert same_array(read(resolve_codec("npz"), tmp_path / "value.npz")["image"], PIXELS)

    def test_a_flipped_bit_is_noticed(self, tmp_path: Path) -> None:
        damaged = bytearray(write(resolve_codec("npz"), {"image": PIXELS}, tmp_path / "value.npz"))
        damaged[len(damaged) // 2] ^= 1
        (tmp_path / "value.npz").write_bytes(damaged)
        with pytest.raises(BadZipFile, match="CRC"):
            read(resolve_codec("npz"), tmp_path / "value.npz")

    def test_the_array_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(EncodeError, match=r"the array 'meta'.*type dict.*codec='json'"):
            write(resolve_codec("npz"), {"image": PIXELS, "meta": {"a": 1}}, tmp_path / "value.npz")


class TestImages:
    def test_float_images_name_the_conversion(self, tmp_path: Path) -> None:
        with pytest.raises(EncodeError, match=r"float64.*skimage\.util\.img_as_ubyte"):
            write(resolve_codec("image"), PIXELS / 255, tmp_path / "value.png")

    @pytest.mark.parametrize("limit", [1, 1500, None])
    def test_what_pillow_is_told_in_one_process_does_not_count_in_another(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None
    ) -> None:
        monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", limit)
        write(resolve_codec("image"), PIXELS, tmp_path / "value.png")
        assert np.array_equal(read(resolve_codec("image"), tmp_path / "value.png"), PIXELS)

    def test_more_pixels_than_are_read_are_not_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(resolve_codec("image"), PIXELS, tmp_path / "value.png")
        monkeypatch.setattr("airflow_dirops.core.codecs.image.MAX_PIXELS", PIXELS[:, :, 0].size - 1)
        with pytest.raises(ValueError, match="pixels"):
            read(resolve_codec("image"), tmp_path / "value.png")
        with pytest.raises(EncodeError, match=r"pixels.*codec='npy'"):
            write(resolve_codec("image"), PIXELS, tmp_path / "value.png")

    def test_the_array_can_be_changed(self, tmp_path: Path) -> None:
        write(resolve_codec("image"), PIXELS, tmp_path / "value.png")
        image = read(resolve_codec("image"), tmp_path / "value.png")
        image[:] = 0
        assert not image.any()


class TestPickled:
    def test_the_class_of_a_dag_file_is_explained(self, tmp_path: Path) -> None:
        module = f"unusual_prefix_{'0' * 40}_camera_images"
        (tmp_path / "value.pickle").write_bytes(f"c{module}\nFrame\n.".encode())
        with pytest.raises(ModuleNotFoundError, match=r"DAG file 'camera_images'.*move the class"):
            read(resolve_codec("pickle"), tmp_path / "value.pickle")

    def test_any_other_missing_module_is_left_as_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "value.pickle").write_bytes(b"cno_such_module\nFrame\n.")
        with pytest.raises(ModuleNotFoundError, match=r"^No module named 'no_such_module'$"):
            read(resolve_codec("pickle"), tmp_path / "value.pickle")

    def test_a_full_disk_is_not_blamed_on_the_value(self) -> None:
        with pytest.raises(OSError, match="No space left"), open("/dev/full", "wb", buffering=0) as full:
            resolve_codec("pickle").encode(b"x" * 2**20, full)


class TestJsonDocuments:
    def test_tuples_become_lists_and_numpy_scalars_numbers(self, tmp_path: Path) -> None:
        value = {"shape": (2, (3,)), "mean": np.float64(0.5), "count": np.uint8(7)}
        assert write(resolve_codec("json"), value, tmp_path / "value.json").endswith(b"}\n")
        expected = {"shape": [2, [3]], "mean": 0.5, "count": 7}
        assert read(resolve_codec("json"), tmp_path / "value.json") == expected
        assert json.loads((tmp_path / "value.json").read_text("utf-8")) == expected

    def test_says_how_many_more_parts_it_cannot_hold(self, tmp_path: Path) -> None:
        with pytest.raises(EncodeError, match=r"value\[0\] is nan") as caught:
            write(resolve_codec("json"), [float("nan")] * 1_234, tmp_path / "value.json")
        assert caught.value.findings[-1] == "and 1,184 more"

    def test_every_part_that_would_change_is_named(self, tmp_path: Path) -> None:
        value = {"a": [1, float("nan")], "b": {3: "x"}, "c": datetime(2026, 11, 1, tzinfo=UTC), "d": (1, 2)}
        with pytest.raises(EncodeError) as caught:
            write(resolve_codec("json"), value, tmp_path / "value.json")
        places = [finding.split(" ")[0] for finding in caught.value.findings]
        assert places == ["value['a'][1]", "value['b']", "value['c']"]

    def test_nothing_is_written_of_a_refused_document(self, tmp_path: Path) -> None:
        with pytest.raises(EncodeError):
            write(resolve_codec("json"), [float("nan")], tmp_path / "value.json")
        assert (tmp_path / "value.json").read_bytes() == b""


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("text", "codec='text'"),
        (b"bytes", "codec='bytes'"),
        ({"a": PIXELS}, "codec='npz'"),
        ({"a": 1}, "codec='json'"),
        (None, "codec='json'"),
        (object(), "codec='pickle'"),
    ],
)
def test_the_default_codec_names_the_one_that_fits(value: Any, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(EncodeError) as caught:
        write(resolve_codec("npy"), value, tmp_path / "value.npy")
    assert wanted in str(caught.value)
