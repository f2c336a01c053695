"""What a notebook shows of a snapshot."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from airflow_dirops.core import open_snapshot
from airflow_dirops.testing.stages import Stages


def test_the_first_files_and_how_many_more(tmp_path: Path) -> None:
    values = {f"k{number:02}<b>": "x" * number for number in range(25)}
    made = Stages(tmp_path).transform(values, str.upper, codec="text", stage="a & b", partition="2026-11-01")
    with made.open() as snapshot:
        html = snapshot._repr_html_()
        assert repr(snapshot) == f"<Snapshot of '{made.target}': 25 files by 'a & b'>"
    assert "stage <b>a &amp; b</b>, partition <b>2026-11-01</b>, 25 files, 300 bytes, codec text" in html
    assert html.count("<tr><td>") == 20
    assert "<td>k19&lt;b&gt;</td><td>19</td>" in html
    assert "and 5 more" in html


def test_images_are_shown_if_they_are_small(tmp_path: Path) -> None:
    images = {
        "small": np.zeros((4, 4, 3), np.uint8),
        "large": np.random.default_rng(1).integers(0, 255, (400, 400, 3), np.uint8),
    }
    made = Stages(tmp_path).transform(images, lambda image: image, codec="image", stage="images")
    with made.open() as snapshot:
        html = snapshot._repr_html_()
    assert html.count('<img src="data:image/png;base64,iVBOR') == 1
    assert html.count("too large to show") == 1


def test_a_file_that_is_gone_is_no_error(tmp_path: Path) -> None:
    made = Stages(tmp_path).transform({"a": np.zeros((4, 4), np.uint8)}, lambda image: image, codec="image", stage="i")
    made.target.chmod(0o755)
    (made.target / "a.png").unlink()
    with open_snapshot(made.target) as snapshot:
        assert "a.png" in snapshot._repr_html_()
