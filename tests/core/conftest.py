"""Folders to work on."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from airflow_dirops.core import Outcome, read_directory
from tests.core.directories import write_texts
from tests.core.seed import read_text

Run = Callable[..., Outcome]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Six small PNGs in two folders, and a note beside them."""
    directory = tmp_path / "images"
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 9, 3), dtype=np.uint8)
        path = directory / ("left" if number % 2 else "right") / f"img_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (directory / "note.txt").write_text("taken by hand")
    return directory


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts", a="alpha", b="beta", c="gamma")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "target"


@pytest.fixture
def run(texts: Path, target: Path) -> Run:
    """Run the stage ``copy`` over the texts, with what a test changes of it."""

    def run(**changes: Any) -> Outcome:
        options: dict[str, Any] = {"source": texts, "target": target, "read": read_text, "codec": "text"}
        return read_directory(**{**options, "stage": "copy", **changes})

    return run


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that other users can get at, which pytest's own are not."""
    directory = Path(tempfile.mkdtemp(prefix="dirops-"))
    directory.chmod(0o755)
    yield directory
    for folder, _, _ in os.walk(directory):
        os.chmod(folder, 0o700)
    shutil.rmtree(directory)
