"""Files that somebody put into a target by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.conftest import Run
from tests.core.directories import assert_whole, values_of, write_texts


def test_are_told_and_kept(run: Run, texts: Path, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    run()
    write_texts(target / "notes", **{f"note{number}": "by hand" for number in range(6)})
    write_texts(texts, d="delta")
    run()
    (line,) = [record.getMessage() for record in caplog.records if "not made by its stage" in record.getMessage()]
    assert line.startswith(f"6 files in {target} were not made by its stage: 'notes/note0.txt', ")
    assert "'notes/note4.txt' and 1 more; they leave" in line
    assert "note5" not in line
    kept = Path(line.partition("are kept in ")[2].partition(" for as long")[0])
    assert (kept / "notes/note5.txt").read_text() == "by hand"
    assert set(values_of(target)) == {"a", "b", "c", "d"}
    assert_whole(target)


def test_nothing_is_said_where_there_are_none(
    run: Run, texts: Path, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run()
    write_texts(texts, d="delta")
    run()
    (target / "a.txt").unlink()
    run()
    assert "by its stage" not in caplog.text
    assert_whole(target)


def test_a_run_with_nothing_new_leaves_them(run: Run, target: Path) -> None:
    run()
    write_texts(target, note="by hand")
    assert run().outcome == "unchanged"
    assert (target / "note.txt").exists()
