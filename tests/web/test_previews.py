"""Files that mean harm to whoever looks at them: they cost one process, and nobody else anything."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from airflow_dirops.web.previews import decoding
from airflow_dirops.web.previews.cache import PreviewCache
from airflow_dirops.web.previews.kinds import kind_of
from airflow_dirops.web.previews.shapes import Curves, Nothing, Picture, Preview, Table, Text, Wanted
from tests.web.conftest import Browser, commit


def look(*paths: Path, codec: str | None = None) -> list[Preview]:
    files = [path.open("rb") for path in paths]
    try:
        return decoding.previews_of([(f.fileno(), kind_of(f.name, codec)) for f in files], 160)
    finally:
        for file in files:
            file.close()


def png_of(width: int, height: int) -> bytes:
    """A picture of zeros that says it is so large, and is packed as tight as can be."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(1 + width) * min(height, 20_000), 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def npy_header(shape: str, descr: str = "<f8") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n"


def zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            with archive.open(f"a{number}.npy", "w") as member:
                member.write(npy_header(f"({60 << 17},)"))
                for _ in range(60):
                    member.write(bytes(1 << 20))
    return file.getvalue()


BOMBS = {
    "large.png": lambda: png_of(50_000, 50_000),
    "wide.png": lambda: png_of(2_000_000_000, 1),
    "negative.npy": lambda: npy_header("(-1, 5)"),
    "says_more.npy": lambda: npy_header("(100000, 100000, 100000)") + bytes(100),
    "overflow.npy": lambda: npy_header("(4294967296, 4294967296, 4294967296)"),
    "code.npy": lambda: npy_header("__import__('os').system('touch /tmp/never')"),
    "objects.npy": lambda: npy_header("(1,)", "|O") + pickle.dumps([os.system]),
    "long_header.npy": lambda: b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + b"(" * 5_000_000,
    "bomb.npz": zip_bomb,
    "deep.json": lambda: b"[" * 900_000,
    "numbers.json": lambda: b"[" + b"1e999," * 100_000 + b"1]",
    "wide.csv": lambda: b"x," * 500_000,
    "nothing.npy": lambda: b"",
    "names.json": lambda: b'[{"<script>":"' + b"<" * 900_000 + b'"}]',
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_one_process_and_what_lies_beside_it_is_shown(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BOMBS[name]())
    np.save(tmp_path / "good.npy", np.arange(9))
    before = psutil.Process().memory_info().rss
    bad, good = look(tmp_path / name, tmp_path / "good.npy")
    assert isinstance(good, Curves)
    assert isinstance(bad, Nothing) or name in ("bomb.npz", "numbers.json", "names.json", "wide.csv")
    assert psutil.Process().memory_info().rss - before < 20 << 20
    assert not Path("/tmp/never").exists()


class Runs:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("codec", ["pickle", None])
def test_a_pickle_is_never_decoded(codec: str | None, tmp_path: Path) -> None:
    (tmp_path / "value.pkl").write_bytes(pickle.dumps(Runs(tmp_path / "ran")))
    (preview,) = look(tmp_path / "value.pkl", codec=codec)
    assert isinstance(preview, Nothing)
    assert "a pickle" in preview.note
    assert not (tmp_path / "ran").exists()


def test_what_files_are_like(tmp_path: Path) -> None:
    def array(name: str, value: Any) -> Path:
        np.save(tmp_path / name, value)
        return tmp_path / f"{name}.npy"

    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 65535, (40, 30), np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(rng.integers(0, 255, (40, 30, 3), np.uint8)).save(tmp_path / "photo.jpg")
    (tmp_path / "t.csv").write_text("a,b\n1,<b>2\n")
    (tmp_path / "r.json").write_text('[{"a": 1}, {"b": "x"}]')
    (tmp_path / "b.bin").write_bytes(b"\x00abc")
    with_gaps = np.where(np.arange(5_000) % 700 == 0, np.nan, np.arange(5_000.0))
    kinds = {
        array("grey", np.zeros((20, 20))): Picture,
        array("mask", np.eye(20, dtype=bool)): Picture,
        array("volume", rng.random((9, 20, 20))): Picture,
        array("stack", rng.integers(0, 9, (4, 20, 20, 3), np.uint8)): Picture,
        array("nan", np.full((20, 20), np.nan)): Picture,
        array("complex", rng.random((20, 20)) * 1j): Picture,
        array("series", with_gaps): Curves,
        array("columns", rng.random((500, 3))): Curves,
        array("fortran", np.asfortranarray(rng.random((20, 20)))): Picture,
        array("one", np.float64(3)): Text,
        array("words", np.array(["a", "b"])): Text,
        array("dates", np.array(["2026-11-01"], "datetime64[D]")): Text,
        array("records", np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])): Table,
        array("empty", np.zeros((0, 5))): Nothing,
        tmp_path / "deep.png": Picture,
        tmp_path / "photo.jpg": Picture,
        tmp_path / "t.csv": Table,
        tmp_path / "r.json": Table,
        tmp_path / "b.bin": Text,
    }
    for (path, kind), preview in zip(kinds.items(), look(*kinds), strict=True):
        assert isinstance(preview, kind), (path.name, preview)


def test_an_array_that_is_larger_than_memory_allows_is_sampled(tmp_path: Path) -> None:
    with (tmp_path / "huge.npy").open("wb") as file:
        file.write(npy_header("(4000000, 256)"))
        file.truncate(8 << 30)
    (preview,) = look(tmp_path / "huge.npy")
    assert isinstance(preview, Picture)
    assert "th slice" in preview.note


TAKEN_OVER = {
    "silent": "import time; time.sleep(60)",
    "endless": "import sys\nwhile True: sys.stdout.write('x' * 100_000)",
    "junk": "import sys; sys.stdin.read(); print('{\"type\": \"Picture\"}'); print('[')",
    "too large": 'print(\'{"type":"Text","text":"\' + \'x\' * 10_000 + \'"}\')',
    "dead": "import os; os.kill(os.getpid(), 9)",
}


@pytest.mark.parametrize("how", TAKEN_OVER)
def test_a_process_that_was_taken_over_is_not_believed(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_COMMAND", (sys.executable, "-c", TAKEN_OVER[how]))
    monkeypatch.setattr(decoding, "_LONGEST_SECONDS", 2.0)
    (tmp_path / "a.txt").write_text("a")
    began = time.monotonic()
    previews = look(*[tmp_path / "a.txt"] * 3)
    assert [type(preview) for preview in previews] == [Nothing] * 3
    assert time.monotonic() - began < 60
    assert not psutil.Process().children()


def test_the_cache_holds_no_more_than_its_limit(tmp_path: Path) -> None:
    cache = PreviewCache(limit=30_000)
    paths = []
    for number in range(8):
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 255, (50, 50, 3), np.uint8)).save(tmp_path / f"{number}.png")
        paths.append(tmp_path / f"{number}.png")
    with paths[0].open("rb") as first:
        for path in paths:
            with path.open("rb") as file:
                cache.previews_of([(file.fileno(), "picture")], 160)
        assert 0 < len(cache) <= 30_000
        (again,) = cache.previews_of([(first.fileno(), "picture")], 160)
    assert isinstance(again, Picture)


def test_entries_that_are_not_what_the_manifest_says_are_not_shown(browser: Callable[..., Browser], root: Path) -> None:
    raw = root / "raw"
    raw.mkdir()
    for name in ("fifo", "link", "longer", "gone", "whole"):
        (raw / f"{name}.txt").write_text(name)
    commit(root, "texts")
    secret = root.parent / "secret.txt"
    secret.write_text("link")
    for name in ("fifo", "link", "gone"):
        (root / "texts" / f"{name}.txt").unlink()
    os.mkfifo(root / "texts/fifo.txt")
    (root / "texts/link.txt").symlink_to(secret)
    (root / "texts/longer.txt").chmod(0o644)
    (root / "texts/longer.txt").write_text("longer than it was")
    page = browser().open("sheet", target="texts")
    assert page.status == 200
    assert page.html.count("No preview") == 4
    assert page.html.count("<pre") == 1
    assert "it has 18 bytes, and the manifest says 6" in page.text


def test_an_input_is_opened_only_below_a_root_and_by_whoever_may_read_it(
    browser: Callable[..., Browser], root: Path
) -> None:
    """A manifest that names what is not its stage's shows nothing of it."""
    import json

    from tests.core.directories import header_of

    def read(path: str) -> str:
        if "bad" in path:
            raise ValueError(path)
        return "x"

    raw = root / "raw"
    raw.mkdir()
    (raw / "bad.txt").write_text("bad")
    (raw / "good.txt").write_text("good")
    commit(root, "theirs", dag_id="payroll", source="raw")
    commit(root, "mine", on_error="quarantine", read=read)
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "bad.txt").write_text("TOP SECRET")
    (root / "linked").symlink_to(outside)
    for location, said in {
        "raw": "3 bytes of text",
        "../outside": "below no root",
        "linked": "cannot be opened",
        "theirs": "of a DAG that you may not read",
        "theirs/_dirops": "reserved",
        ".dirops/theirs": "reserved",
    }.items():
        header = header_of(root / "mine")
        header["source"]["location"] = location
        (root / "mine/_dirops/manifest.json").write_text(json.dumps(header))
        page = browser("narrow").open("failure", target="mine", path="bad.txt")
        assert page.status == 200
        assert said in page.text, location
        assert "TOP SECRET" not in page.html
        assert ("<pre" in page.html.split("The input")[1]) == (location == "raw")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (np.array([np.inf, 1.0]), np.array([np.inf, 3.0]), "1 of 2 elements differ, by at most 2"),
        (np.array([np.nan, 1.0]), np.array([np.nan, 1.0]), "0 of 2 elements differ, by at most 0"),
        (np.array(5), np.array(7), "1 of 1 elements differ, by at most 2"),
    ],
)
def test_what_is_infinite_or_no_number_in_both_does_not_differ(
    tmp_path: Path, before: Any, after: Any, said: str
) -> None:
    for name, array in (("before", before), ("after", after)):
        np.save(tmp_path / name, array)
    with (tmp_path / "before.npy").open("rb") as one, (tmp_path / "after.npy").open("rb") as other:
        (found,) = decoding.answers_to([Wanted(one.fileno(), "npy", 160, other.fileno())])
    assert said in found.note
