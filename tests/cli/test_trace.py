"""``dirops trace``: back to the raw file, and on to all that it became."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dirops.core import read_directory, transform_directory
from tests.cli.calls import dirops, parsed
from tests.text_files import read_text, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "raw", a="a", b="b")
    read_directory(source=tmp_path / "raw", target=tmp_path / "interim", read=read_text, codec="text", stage="d.read")
    transform_directory(
        source=tmp_path / "interim", target=tmp_path / "final", transform=str.upper, codec="text", stage="d.upper"
    )
    return tmp_path


def test_the_way_back_is_a_tree(data: Path) -> None:
    done = dirops("trace", "final/a.txt", cwd=data)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{data}/final/a.txt"
    assert lines[1].startswith("  by d.upper: str.upper (sha256:")
    assert lines[2] == f"  from {data}/interim/a.txt"
    assert lines[3].startswith("    by d.read: read_text (sha256:")
    assert lines[4] == f"    from {data}/raw/a.txt"


def test_the_way_on_is_one_too_below_the_root_of_dags(data: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    done = dirops("trace", "raw/a.txt", "--forward", cwd=tmp_path / "elsewhere", AIRFLOW__DIROPS__ROOT=str(data))
    assert done.returncode == 0, done.stderr
    assert f"  became {data}/interim/a.txt" in done.stdout
    assert f"    became {data}/final/a.txt" in done.stdout
    found = parsed("trace", data / "raw/a.txt", "--forward", "--below", data, cwd=tmp_path)
    assert found["outputs"][0]["outputs"][0]["path"] == f"{data}/final/a.txt"


def test_exit_codes(data: Path) -> None:
    (data / "raw/a.txt").write_text("other")
    done = dirops("trace", "final/a.txt", cwd=data)
    assert done.returncode == 1
    assert "changed: it was written since it was read" in done.stdout
    done = dirops("trace", "final/nothing.txt", cwd=data)
    assert done.returncode == 2
    assert done.stderr.startswith("source-missing: ")
