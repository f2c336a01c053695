"""The inputs: the same bytes on every machine, made on first use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from airflow_dirops.core import read_directory

Maker = Callable[[Path, int], Path]

_IMAGE_SIDE = 256
# Beyond this many, images and plain files are further names of the same ones: a stage cannot tell.
_DISTINCT = 2_000
_BIG_BYTES = 20_000_000
_HEADER_BYTES = 128
_PLAIN_BYTES = 1024


def images(cache: Path, count: int) -> Path:
    """PNGs of 256×256 in colour, cut from a photograph, with a little noise."""
    return _made_once(cache / f"images-{count}", lambda folder: _make_images(folder, count))


def tiny(cache: Path, count: int) -> Path:
    """A snapshot of ``npy`` files of 1 KiB."""
    return _snapshot(cache / f"tiny-{count}", count, size=1024)


def small(cache: Path, count: int) -> Path:
    """A snapshot of ``npy`` files of 100 KiB."""
    return _snapshot(cache / f"small-{count}", count, size=102_400)


def big(cache: Path, count: int) -> Path:
    """A snapshot of ``npy`` files of 20 MB."""
    return _snapshot(cache / f"big-{count}", count, size=_BIG_BYTES)


def plain(cache: Path, count: int) -> Path:
    """Files of 1 KiB in a bare directory, which no stage committed."""
    return _made_once(cache / f"plain-{count}", lambda folder: _make_plain(folder, count))


def _made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make(unfinished)
        unfinished.rename(folder)
    return folder


def _make_images(folder: Path, count: int) -> None:
    photograph, random = data.astronaut(), np.random.default_rng(0)
    for number in range(count):
        path = folder / f"img_{number:06}.png"
        if number >= _DISTINCT:
            os.link(folder / f"img_{number % _DISTINCT:06}.png", path)
            continue
        top, left = random.integers(0, len(photograph) - _IMAGE_SIDE, 2)
        cut = photograph[top : top + _IMAGE_SIDE, left : left + _IMAGE_SIDE]
        noise = random.integers(0, 2, cut.shape, np.uint8)
        Image.fromarray(cut ^ noise).save(path)


def _make_plain(folder: Path, count: int) -> None:
    random = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number:07}.bin"
        if number < _DISTINCT:
            path.write_bytes(random.bytes(_PLAIN_BYTES))
        else:
            os.link(folder / f"{number % _DISTINCT:07}.bin", path)


def _snapshot(target: Path, count: int, size: int) -> Path:
    def make_array(path: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        number = int(Path(path).name)
        return np.random.default_rng(number).random((size - _HEADER_BYTES) // 8)

    if not target.exists():
        numbers = _made_once(target.with_name(target.name + "-numbers"), lambda folder: _make_numbers(folder, count))
        read_directory(source=numbers, target=target, read=make_array, durability="process")
    return target


def _make_numbers(folder: Path, count: int) -> None:
    for number in range(count):
        (folder / f"{number:06}").touch()
