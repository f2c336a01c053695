"""Names that a pattern leaves out for their case alone; the advice is followed, and works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, read_directory, transform_directory
from tests.core.conftest import Run
from tests.core.directories import values_of, write_texts


def read_any(path: str) -> str:
    return Path(path).read_text()


def make(directory: Path, *names: str) -> Path:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return directory


def advised(text: str) -> str:
    found = re.search(r"write the pattern as '([^']+)'", text)
    assert found, text
    return found[1]


@pytest.mark.parametrize(
    ("pattern", "names", "advice"),
    [
        ("**/*.jpg", ["A.JPG"], "**/*.{jpg,JPG}"),
        ("*.jpg", ["A.JPG", "B.Jpg"], "*.{jpg,JPG,Jpg}"),
        ("**/*.JPG", ["deep/er/a.jpg"], "**/*.{JPG,jpg}"),
        ("**/*.{png,jpg}", ["A.JPG", "B.PNG"], "**/*.{png,jpg,JPG,PNG}"),
        ("img*.jpg", ["IMG1.JPG"], "[iI][mM][gG]*.[jJ][pP][gG]"),
        ("day/*", ["DAY/a.jpg"], "[dD][aA][yY]/*"),
        ("*.tar.gz", ["A.TAR.GZ"], "*.[tT][aA][rR].[gG][zZ]"),
        ("{a,b}/*.jpg", ["A/x.JPG"], "{[aA],[bB]}/*.[jJ][pP][gG]"),
    ],
)
def test_are_told_and_the_advice_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, pattern: str, names: list[str], advice: str
) -> None:
    raw, target = make(tmp_path / "raw", *names, "readme.md"), tmp_path / "out"
    options: dict[str, Any] = {"source": raw, "read": read_any, "codec": "text", "target": target, "stage": "s"}
    with pytest.raises(errors.SourceEmpty, match="in case only") as told:
        read_directory(**options, pattern=pattern)
    assert repr(names[0]) in str(told.value)
    assert advised(str(told.value)) == advised(caplog.text) == advice
    caplog.clear()
    assert read_directory(**options, pattern=advice).counts["entries"] == len(names)
    assert "case" not in caplog.text


def test_a_warning_where_others_match(run: Run, texts: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(texts, *(f"{number}.TXT" for number in range(7)))
    run(pattern="*.txt")
    assert "7 differ from it in case only" in caplog.text
    assert caplog.text.count(".TXT'") == 5
    assert "and 2 more; to read them too" in caplog.text
    caplog.clear()
    run(pattern="*.txt", dry_run=True)
    assert "7 differ from it in case only" in caplog.text


def test_where_no_pattern_can_be_made_up(tmp_path: Path) -> None:
    make(tmp_path / "raw", "A.JPG")
    with pytest.raises(errors.SourceEmpty, match=r"1 differs from it in case only.*as the names are written"):
        read_directory(source=tmp_path / "raw", target=tmp_path / "out", read=read_any, pattern="[a-c].jpg")


def test_other_names_are_counted(run: Run, texts: Path) -> None:
    make(texts, "a.md")
    with pytest.raises(errors.SourceEmpty, match=r"4 files in '.*texts' do not match: .* and 1 more$"):
        run(pattern="*.tiff")


@pytest.mark.parametrize("pinned", [False, True])
def test_of_a_snapshot(tmp_path: Path, caplog: pytest.LogCaptureFixture, pinned: bool) -> None:
    raw, interim, final = make(tmp_path / "raw", "A.jpg", "b.jpg"), tmp_path / "interim", tmp_path / "final"
    made = read_directory(source=raw, target=interim, read=read_any, codec="text")
    options: dict[str, Any] = {"source": made.to_dict() if pinned else interim, "target": final, "codec": "text"}
    transform_directory(**options, transform=str.upper, pattern="[a-z].txt", version="1")
    assert "1 differs from it in case only: 'A.txt'" in caplog.text
    with pytest.raises(errors.SourceEmpty, match="2 differ from it in case only") as told:
        transform_directory(**options, transform=str.upper, pattern="*.TXT", version="1")
    transform_directory(**options, transform=str.upper, pattern=advised(str(told.value)), version="1")
    assert set(values_of(final)) == {"A", "b"}


def test_of_joined_sources(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, two = make(tmp_path / "one", "a.jpg"), make(tmp_path / "two", "a.JPG", "b.jpg", "a.png")
    with pytest.raises(errors.SourceEmpty, match=r"2 files in '.*two' do not match: 'a.*'; 1 differs from it in case"):
        transform_directory(
            source=[one, two],
            target=tmp_path / "out",
            join="inner",
            read=read_any,
            transform=max,
            codec="text",
            pattern="**/*.jpg",
            version="1",
        )
    assert "case only" in caplog.text


@pytest.mark.parametrize("pattern", ["{1..5000}"])
def test_no_glob(run: Run, pattern: str) -> None:
    with pytest.raises(errors.ArgumentRefused, match="cannot be read as a glob"):
        run(pattern=pattern)


@pytest.mark.parametrize(
    ("pattern", "better"),
    [("./*.txt", "*.txt"), ("./**/*", "**/*"), (".", "**/*"), ("deep//*.txt", "deep/*.txt"), ("deep/", "deep/**/*")],
)
def test_no_path_is_written_like_that_and_the_advice_works(run: Run, texts: Path, pattern: str, better: str) -> None:
    write_texts(texts / "deep", d="delta")
    with pytest.raises(errors.ArgumentRefused, match=re.escape(f"write {better!r}")):
        run(pattern=pattern)
    assert run(pattern=better).counts["inputs"]
