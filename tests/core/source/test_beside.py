"""What is there under other names is said, where a stage finds nothing: the pattern or the path may be wrong."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Outcome, Partitions, errors, read_directory, transform_directory
from tests.core.directories import write_texts
from tests.core.seed import read_text

DAY = "2026-11-05"


def read(tmp_path: Path, source: Path, **options: Any) -> Outcome:
    given = {"partition": DAY, "empty": "skip", "codec": "text", **options}
    return read_directory(source=source, target=tmp_path / "interim" / DAY, read=read_text, **given)


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (["2026"], "the one folder in '{raw}' is not named like '2026-11-05': '2026'"),
        (["day-2026-11-04", "day-2026-11-05"], "none of the 2 folders in '{raw}' is named like '2026-11-05': 'day-"),
        (["20261105"], "the one folder in '{raw}' is not named like '2026-11-05': '20261105'"),
    ],
)
def test_folders_of_other_names_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, there: list[str], says: str
) -> None:
    raw = tmp_path / "raw"
    for name in there:
        write_texts(raw / name, a="x")
    said = says.format(raw=raw)
    assert read(tmp_path, raw / DAY).outcome == "skipped"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any(said in warning for warning in warnings)
    with pytest.raises(errors.SourceMissing) as failed:
        read(tmp_path, raw / DAY, empty="fail")
    assert said[1:] in str(failed.value)
    (raw / DAY).mkdir()  # as it says
    assert read(tmp_path, raw / DAY).outcome == "skipped"


@pytest.mark.parametrize("there", [["2026-11-04"], []])
def test_a_hole_among_days_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture, there: list[str]) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in there:
        write_texts(raw / name, a="x")
    assert read(tmp_path, raw / DAY).outcome == "skipped"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_files_that_do_not_match_are_told_also_where_the_stage_is_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(4):
        (raw / f"{number}.txt").write_text("x")
    assert read(tmp_path, raw, pattern="**/*.csv").outcome == "skipped"
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "is skipped, though something is there: 4 files in" in warning
    assert ".txt' and 1 more" in warning
    assert read(tmp_path, raw, pattern="**/*.txt").outcome == "committed"


def test_a_folder_of_nearly_that_name_is_told_and_works(tmp_path: Path) -> None:
    write_texts(tmp_path / "sites/plant17" / DAY, a="x")
    with pytest.raises(errors.SourceMissing, match=r"that is there is '.*sites'; did you mean 'plant17'\?"):
        read(tmp_path, tmp_path / "sites/plnt17" / DAY)
    assert read(tmp_path, tmp_path / "sites/plant17" / DAY).outcome == "committed"


def test_partitions_that_are_named_otherwise_are_told(tmp_path: Path) -> None:
    write_texts(tmp_path / "raw", a="x")
    target = tmp_path / "interim" / DAY
    read_directory(source=tmp_path / "raw", target=target, read=read_text, codec="text")

    def week(name: str) -> Outcome:
        source = Partitions(tmp_path / "interim/{partition}", (name,))
        return transform_directory(source=source, target=tmp_path / "week", transform=str.upper, codec="text")

    says = r"the only partition of .* does not exist; the one folder in '.*interim' is not named like '2026-W45': "
    with pytest.raises(errors.SourceMissing, match=says + rf"'{DAY}'; give partition_format="):
        week("2026-W45")
    assert week(DAY).outcome == "committed"
