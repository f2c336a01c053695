"""A folder of images through two stages, as a user types it; and every codec through the same."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import io

from airflow_dirops.core import Progress, errors, open_snapshot, read_directory, read_manifest, transform_directory
from tests.core.directories import assert_whole, header_of, lines_of, orphans_of, values_of
from tests.core.seed import read_image, read_text, red_channel

RED = {f"{'left' if n % 2 else 'right'}/img_{n}": n for n in range(6)}


@pytest.mark.parametrize("codec", ["npy", "pickle"])
@pytest.mark.parametrize("durability", ["full", "process"])
def test_images_to_their_red_channel(images: Path, tmp_path: Path, codec: str, durability: str) -> None:
    vouched = {"source_codec": "pickle"} if codec == "pickle" else {}
    options: dict[str, Any] = {"codec": codec, "durability": durability}
    interim = read_directory(source=images, target=tmp_path / "interim/to_numpy", read=read_image, **options)
    final = transform_directory(
        source=interim.to_dict(), target=tmp_path / "final/red", transform=red_channel, **options, **vouched
    )
    red = values_of(final.target, codec=codec)
    assert list(red) == sorted(RED)
    for key, pixels in red.items():
        assert np.array_equal(pixels, io.imread(images / f"{key}.png")[:, :, 0])
    assert (interim.counts["entries"], interim.counts["skipped"]) == (6, 1)
    assert [line["path"] for line in lines_of(tmp_path / "interim/to_numpy", "skipped.jsonl")] == ["note.txt"]
    for target in (tmp_path / "interim/to_numpy", tmp_path / "final/red"):
        assert_whole(target)
        assert orphans_of(target) == []


def test_what_is_returned_and_what_the_manifest_says(images: Path, tmp_path: Path) -> None:
    interim = read_directory(source=images, target=tmp_path / "interim/a", read=read_image, partition="2026-11-01")
    outcome = transform_directory(source=interim.to_dict(), target=tmp_path / "final/a", transform=red_channel)
    header = header_of(tmp_path / "final/a")
    assert header["source"] == {"location": "../interim/a", "snapshot": interim.snapshot, "stage": "read_image"}
    assert header_of(tmp_path / "interim/a")["partition"] == interim.partition == "2026-11-01"
    assert (header["stage"], header["base"], header["codec"]) == (
        "red_channel",
        None,
        {"name": "npy", "suffix": ".npy"},
    )
    assert outcome.manifest == str(tmp_path / "final/a/_dirops/manifest.json")
    assert (outcome.outcome, outcome.snapshot, outcome.bytes) == ("committed", header["snapshot"], header["bytes"])
    assert outcome.counts == header["counts"] | {"computed": 6, "carried": 0, "reused": 0}
    assert read_manifest(tmp_path / "final/a").summary()["counts"] == header["counts"]


CODECS: list[tuple[str, Any]] = [
    ("npy", np.arange(6).reshape(2, 3)),
    ("npz", {"x": np.ones(2), "y": np.zeros(3, "uint8")}),
    ("pickle", {"any": {1, 2}, None: (1, "two")}),
    ("json", {"mean": 1.5, "tags": ["a", None, "ä"]}),
    ("text", "zwei\nZeilen\r\n"),
    ("bytes", b"\0\xff"),
    ("image", np.arange(48, dtype="uint8").reshape(4, 4, 3)),
]


@pytest.mark.parametrize(("codec", "value"), CODECS, ids=[name for name, _ in CODECS])
def test_a_value_through_two_stages_of_every_codec(tmp_path: Path, texts: Path, codec: str, value: Any) -> None:
    first = read_directory(source=texts, target=tmp_path / "1", read=partial(always, value=value), codec=codec)
    vouched = "pickle" if codec == "pickle" else None
    transform_directory(
        source=first.to_dict(), target=tmp_path / "2", transform=same, codec=codec, source_codec=vouched
    )
    assert_whole(tmp_path / "2")
    found = values_of(tmp_path / "2", codec=vouched)
    assert list(found) == ["a", "b", "c"]
    np.testing.assert_equal(found["b"], value)


def always(path: str, value: Any) -> Any:
    return value


def same(value: Any) -> Any:
    return value


class Upside:
    """A codec of the user's own."""

    name, suffix = "upside", ".down"

    def encode(self, value: str, file: Any) -> None:
        file.write(value[::-1].encode())

    def decode(self, file: Any) -> str:
        return str(file.read().decode()[::-1])


def test_a_codec_of_the_users(tmp_path: Path, texts: Path) -> None:
    source = read_directory(source=texts, target=tmp_path / "1", read=read_text, codec=Upside()).to_dict()
    assert (tmp_path / "1/a.down").read_text() == "ahpla"
    transform_directory(source=source, target=tmp_path / "2", transform=same, codec="text", source_codec=Upside())
    assert values_of(tmp_path / "2") == {"a": "alpha", "b": "beta", "c": "gamma"}
    assert values_of(tmp_path / "1", codec=Upside())["c"] == "gamma"


def test_a_codec_whose_suffix_hides_the_key(tmp_path: Path, texts: Path) -> None:
    class Zipped(Upside):
        suffix = ".up.gz"

    with pytest.raises(errors.KeyRefused, match=r"as 'a\.up\.gz' it would be read back as 'a\.up'"):
        read_directory(source=texts, target=tmp_path / "1", read=read_text, codec=Zipped())


def test_a_reader_over_a_snapshot(images: Path, tmp_path: Path) -> None:
    """It gets paths that stay on that snapshot, and may give them back."""
    source = read_directory(source=images, target=tmp_path / "1", read=read_image).to_dict()
    read_directory(source=images, target=tmp_path / "1", read=read_image, redo="all")
    read_directory(source=source, target=tmp_path / "2", read=lambda path: (path, np.load(path)))
    assert len(values_of(tmp_path / "2")) == 6


def test_a_pattern_takes_part_of_a_snapshot(images: Path, tmp_path: Path) -> None:
    source = read_directory(source=images, target=tmp_path / "1", read=read_image).to_dict()
    transform_directory(source=source, target=tmp_path / "2", transform=red_channel, pattern="left/*_[13].npy")
    assert list(values_of(tmp_path / "2")) == ["left/img_1", "left/img_3"]


def test_progress_is_told_at_the_start_and_at_the_end(images: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    read_directory(source=images, target=tmp_path / "1", read=read_image, on_progress=told.append)
    assert [progress.done for progress in told] == [1, 7]
    assert (told[-1].total, told[-1].current, told[-1].quarantined) == (7, "right/img_4.png", 0)


def test_paths_may_be_relative(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = read_directory(source="images", target="interim/numpy", read=read_image)
    transform_directory(source=outcome.to_dict(), target="final", transform=red_channel)
    with open_snapshot("final") as snapshot:
        assert len(snapshot) == 6
