"""Raw folders as they come from machines: mostly good files, and a few that are not.

The same every time, from the photographs inside the scikit-image wheel and a seeded generator.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator, default_rng
from skimage import data, io

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")
IMAGES, CURVES = 48, 24  # good files a day
SIZE = 256

_PHOTOGRAPHS: tuple[Any, ...] = (
    data.astronaut, data.chelsea, data.coffee, data.hubble_deep_field,
    data.immunohistochemistry, data.retina, data.rocket,
)  # fmt: skip


def write_raw(root: Path) -> None:
    """Fill ``raw/images`` and ``raw/curves`` with a folder for each of the days.

    :param root: the demo's data folder. Raw files that are there stay, or they would count as changed.
    """
    raw, unfinished = root / "raw", root / ".raw"
    if raw.exists():
        return
    shutil.rmtree(unfinished, ignore_errors=True)
    photographs = [load() for load in _PHOTOGRAPHS]
    for number, day in enumerate(DAYS):
        _write_images(_made(unfinished / "images" / day), photographs, default_rng(number))
        _write_curves(_made(unfinished / "curves" / day), default_rng(1000 + number))
    unfinished.rename(raw)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _write_images(folder: Path, photographs: list[Any], rng: Generator) -> None:
    (folder / "evening").mkdir()
    for name in _image_names(folder):
        io.imsave(name, _shot(photographs[rng.integers(len(photographs))], rng), check_contrast=False)
    whole = (folder / "img_000001.png").read_bytes()
    (folder / "img_000000_cut_short.png").write_bytes(whole[: len(whole) // 3])
    (folder / ".img_000001.png.part").write_bytes(whole[:1000])
    (folder / "notes.txt").write_text("Lens cleaned at noon.\n")


def _image_names(folder: Path) -> Iterator[Path]:
    yield folder / "two words and a 🙂.png"
    for number in range(1, IMAGES):
        yield (folder / "evening" if number > IMAGES * 3 // 4 else folder) / f"img_{number:06}.png"


def _shot(photograph: Any, rng: Generator) -> Any:
    """A part of the photograph as a camera might have seen it: turned, lit otherwise, with noise."""
    top, left = (rng.integers(length - SIZE + 1) for length in photograph.shape[:2])
    part = np.rot90(photograph[top : top + SIZE, left : left + SIZE], int(rng.integers(4)))
    lit = part * rng.uniform(0.6, 1.2) + rng.normal(0, 3, part.shape)
    return lit.clip(0, 255).astype(np.uint8)


def _write_curves(folder: Path, rng: Generator) -> None:
    for number in range(1, CURVES + 1):
        table = _cycle(rng)
        np.savetxt(folder / f"cycle_{number:04}.csv", table, "%.4f", ",", header="s,bar,celsius", comments="")
    lines = (folder / "cycle_0001.csv").read_text().splitlines()
    lines[100] = "sensor off,,"
    (folder / "cycle_0000_gap.csv").write_text("\n".join(lines))


def _cycle(rng: Generator) -> Any:
    """One cycle of a press: the pressure rises, holds and falls; the temperature follows late."""
    seconds = np.arange(0, 30, 0.05)
    pressure = 80 * np.clip(np.minimum(seconds / 4, (30 - seconds) / 8), 0, 1) * rng.uniform(0.9, 1.1)
    temperature = 180 + 0.2 * np.convolve(pressure, np.full(100, 0.01), mode="same")
    noise = rng.normal(0, (0.4, 0.1), (len(seconds), 2))
    return np.column_stack([seconds, np.column_stack([pressure, temperature]) + noise])
