"""``dirops diff``: two snapshots, two partitions, for a person and for a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dirops.core import list_snapshots, read_directory
from tests.cli.calls import dirops, parsed
from tests.text_files import read_text, write


def read(root: Path, name: str) -> None:
    read_directory(
        source=root / "raw" / name, target=root / "interim" / name, read=read_text, codec="text", stage="read"
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "raw/one", a="a", b="b")
    write(tmp_path / "raw/two", a="a", b="other")
    for name in ("one", "two"):
        read(tmp_path, name)
    return tmp_path


def test_two_partitions(data: Path) -> None:
    done = dirops("diff", "interim/one", "interim/two", cwd=data)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "changed  b.txt: from 0 on, of 5 and 1: 'other' instead of 'b'"
    assert "  same     1" in done.stdout
    assert dirops("diff", "interim/one", "interim/one", cwd=data).returncode == 0
    found = parsed("diff", "interim/one", "interim/two", "--values", "0", cwd=data)
    assert (found["changed"], found["same"], found["entries"][0]["path"]) == (1, 1, "b.txt")
    assert found["entries"][0]["amount"] is None


def test_what_the_last_commit_changed_and_two_snapshots_by_their_ids(data: Path) -> None:
    done = dirops("diff", "interim/one", cwd=data)
    assert done.returncode == 2
    assert "is the first, and replaced none" in done.stderr
    write(data / "raw/one", c="c")
    read(data, "one")
    done = dirops("diff", "interim/one", cwd=data)
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "added    c.txt")
    new, old = (kept.manifest.snapshot for kept in list_snapshots(data / "interim/one"))
    found = parsed("diff", f"interim/one@{new}", f"interim/one@{old}", cwd=data)
    assert [(each["how"], each["path"]) for each in found["entries"]] == [("removed", "c.txt")]


def test_values_cannot_steer_a_terminal(data: Path) -> None:
    write(data / "raw/two", b="\x1b[2J\x07" + "x" * 100_000)
    read(data, "two")
    done = dirops("diff", "interim/one", "interim/two", cwd=data)
    assert "\x1b" not in done.stdout
    assert len(done.stdout) < 5_000
