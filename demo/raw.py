"""Raw folders as they come from machines: mostly good files, and a few that are not.

The same for a day every time, from the photographs inside the scikit-image wheel and a seeded generator.
"""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator, default_rng
from skimage import data, io

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# The last ones that have ended: whatever day the DAGs' own schedule asks for meanwhile, its folder is there.
DAYS = tuple(str(datetime.now(UTC).date() - timedelta(days)) for days in (3, 2, 1))
IMAGES, CURVES = 48, 24  # good files a day
SIZE = 256

_PHOTOGRAPHS: tuple[Any, ...] = (
    data.astronaut, data.chelsea, data.coffee, data.hubble_deep_field,
    data.immunohistochemistry, data.retina, data.rocket,
)  # fmt: skip


def write_raw(root: Path) -> None:
    """Fill ``raw/images`` and ``raw/curves`` with a folder for each of the days.

    :param root: the demo's data folder. Folders that are there stay, or their files would count as changed.
    """
    for day in DAYS:
        _make_once(root / "raw" / "images" / day, _write_images)
        _make_once(root / "raw" / "curves" / day, _write_curves)


def _make_once(folder: Path, write: Callable[[Path, Generator], None]) -> None:
    if folder.exists():
        return
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    write(unfinished, default_rng(date.fromisoformat(folder.name).toordinal()))
    unfinished.rename(folder)


def _write_images(folder: Path, rng: Generator) -> None:
    photographs = [load() for load in _PHOTOGRAPHS]
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
