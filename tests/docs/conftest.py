"""The documentation's snippets run in folders like those they speak of; those with DAGs on the doors' Airflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doors.conftest import airflow_database, root, runs

__all__ = ["airflow_database", "root", "runs"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Airflow and its stack warn as they like; our own code must not."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for rule in ("default", "error:::airflow_dirops"):
                item.add_marker(pytest.mark.filterwarnings(rule))


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a snippet runs: it has images in ``raw``, and a note; headers and their data in ``pairs``."""
    write_images(tmp_path / "raw", 3)
    (tmp_path / "pairs").mkdir()
    for name in ("s0.hdr", "s0.dat", "s1.hdr", "s1.dat"):
        (tmp_path / "pairs" / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", str(tmp_path))
    return tmp_path


def write_images(folder: Path, count: int) -> Path:
    """Small PNGs, each of another shade, and a note beside them."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "notes.txt").write_text("taken by hand")
    for number in range(count):
        Image.fromarray(np.full((8, 12, 3), 10 * number, np.uint8)).save(folder / f"img_{number}.png")
    return folder
