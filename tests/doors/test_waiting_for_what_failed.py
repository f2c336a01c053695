"""A sensor that waits for a target whose stage failed says where to look."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dirops.core import errors, read_directory, upkeep
from airflow_dirops.triggers.conditions import Conditions


def broken(path: str) -> str:
    raise ValueError(path)


def test_it_names_the_command(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out" / "my target"
    source.mkdir()
    (source / "a.txt").write_text("a")
    assert "dirops" not in Conditions(target=str(target)).look().lacking
    with pytest.raises(errors.RecordFailed):
        read_directory(source=source, target=target, read=broken, codec="text")
    assert Conditions(target=str(target)).look().lacking.endswith(f"if anything did: dirops failures '{target}'")
    assert [failed.path for failed in upkeep.list_failures(target).inputs] == ["a.txt"]
