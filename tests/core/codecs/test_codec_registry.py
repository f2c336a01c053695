"""Each codec is found under its name, and nothing else passes for one."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from airflow_dirops.core.codecs import codec_names, resolve_codec
from airflow_dirops.core.codecs.npy import NpyCodec
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.testing.codecs import read, write

if TYPE_CHECKING:
    from pathlib import Path

BUILT_IN = ("npy", "npz", "pickle", "json", "text", "bytes", "image")


@dataclass
class Misfit:
    """Becomes a codec that is wrong in one way at a time."""

    name: Any = "misfit"
    suffix: Any = ".misfit"
    encode: Any = print
    decode: Any = print


class TestRegistry:
    @pytest.mark.parametrize("name", BUILT_IN)
    def test_a_built_in_codec_is_found_by_its_name(self, name: str) -> None:
        codec = resolve_codec(name)
        assert codec.name == name
        assert resolve_codec(codec) is codec
        assert pickle.loads(pickle.dumps(codec)) == codec

    def test_no_two_built_in_codecs_share_a_suffix(self) -> None:
        assert len({resolve_codec(name).suffix for name in BUILT_IN}) == len(BUILT_IN)

    def test_the_names_are_listed(self) -> None:
        assert codec_names()[: len(BUILT_IN)] == BUILT_IN

    @pytest.mark.parametrize(
        ("name", "hint"), [("pickel", "'pickle'"), ("zarr", "known are npy, npz"), ("", "known are")]
    )
    def test_an_unknown_name_lists_the_known_ones(self, name: str, hint: str) -> None:
        with pytest.raises(ArgumentRefused, match=f"no codec {name!r}.*{hint}"):
            resolve_codec(name)

    @pytest.mark.parametrize(
        ("fault", "finding"),
        [
            ({"name": ""}, "name"),
            ({"name": "two words"}, "name"),
            ({"name": 5}, "name"),
            ({"name": ["npy"]}, "name"),
            ({"name": "npy"}, "belongs to a built-in"),
            ({"suffix": "misfit"}, "suffix"),
            ({"suffix": "."}, "suffix"),
            ({"suffix": ".a/b"}, "suffix"),
            ({"suffix": ".a\0"}, "suffix"),
            ({"suffix": None}, "suffix"),
            ({"encode": None}, "encode"),
            ({"decode": "no"}, "decode"),
        ],
    )
    def test_an_object_that_is_no_codec_is_refused(self, fault: dict[str, Any], finding: str) -> None:
        assert resolve_codec(Misfit()) == Misfit()
        with pytest.raises(ArgumentRefused) as caught:
            resolve_codec(Misfit(**fault))
        assert [found for found in caught.value.findings if finding in found]

    @pytest.mark.parametrize("nonsense", [None, 5, object()])
    def test_all_that_is_wrong_is_said_at_once(self, nonsense: Any) -> None:
        with pytest.raises(ArgumentRefused) as caught:
            resolve_codec(nonsense)
        assert len(caught.value.findings) == 4

    def test_a_class_is_not_its_object(self) -> None:
        with pytest.raises(ArgumentRefused, match=r"NpyCodec\(\)"):
            resolve_codec(NpyCodec)  # type: ignore[arg-type]


POINT_MODULE = """
class PointCodec:
    name, suffix = "point", ".point"
    def encode(self, value, file): file.write(repr(value).encode())
    def decode(self, file): return eval(file.read())
ready = PointCodec()
"""


class TestThirdParties:
    """A distribution is a directory on the path: metadata beside a module."""

    @pytest.fixture
    def install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "point_codecs.py").write_text(POINT_MODULE)

        def install(distribution: str, *lines: str) -> None:
            folder = tmp_path / f"{distribution}-1.2.dist-info"
            folder.mkdir()
            folder.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
            folder.joinpath("entry_points.txt").write_text("\n".join(["[airflow_dirops.codecs]", *lines, ""]))

        yield install
        sys.modules.pop("point_codecs", None)

    @pytest.mark.parametrize("what", ["PointCodec", "ready"])
    def test_an_entry_point_is_found_by_its_name(self, install: Any, what: str, tmp_path: Path) -> None:
        install("points", f"point = point_codecs:{what}")
        codec = resolve_codec("point")
        write(codec, [1, 2], tmp_path / "value.point")
        assert read(codec, tmp_path / "value.point") == [1, 2]
        assert codec_names() == (*BUILT_IN, "point")

    def test_built_in_names_cannot_be_taken(self, install: Any) -> None:
        install("points", "npy = point_codecs:ready")
        assert type(resolve_codec("npy")).__name__ == "NpyCodec"
        assert codec_names() == BUILT_IN

    def test_two_of_one_name_are_refused(self, install: Any) -> None:
        install("points", "point = point_codecs:ready")
        install("rivals", "point = point_codecs:PointCodec")
        with pytest.raises(ArgumentRefused, match=r"points 1\.2 and rivals 1\.2"):
            resolve_codec("point")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("point = no_such_module:x", r"points 1\.2 cannot be loaded.*no_such_module"),
            ("point = point_codecs:absent", r"points 1\.2 cannot be loaded.*absent"),
            ("other = point_codecs:ready", r"points 1\.2 registers 'other'.*'point'"),
            ("point = builtins:dict", "not a codec"),
        ],
    )
    def test_what_does_not_work_names_its_distribution(self, install: Any, line: str, message: str) -> None:
        install("points", line)
        with pytest.raises(ArgumentRefused, match=message):
            resolve_codec(line.split(" ")[0])


@pytest.mark.parametrize(
    ("name", "absent"),
    [("text", {"numpy", "msgspec", "PIL"}), ("json", {"numpy"}), ("npy", {"PIL", "skimage"})],
)
def test_a_codec_costs_nothing_until_it_is_asked_for(name: str, absent: set[str]) -> None:
    script = (
        "import sys; from airflow_dirops.core.codecs import resolve_codec\n"
        "before = set(sys.modules) & {'numpy', 'msgspec', 'PIL', 'skimage', 'importlib.metadata'}\n"
        f"resolve_codec({name!r}); print(before or sorted(set(sys.modules) & {absent!r}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
