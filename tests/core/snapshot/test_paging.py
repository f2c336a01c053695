"""A page of a list, and one line of it, without the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_dirops.core import errors, find_line, open_snapshot, read_directory, read_page
from tests.core.directories import write_texts


def read(path: str) -> str:
    return Path(path).read_text()


def committed(tmp_path: Path, names: list[str]) -> Path:
    source = tmp_path / "raw"
    source.mkdir(exist_ok=True)
    for name in names:
        (source / f"{name}.txt").write_text(name)
    read_directory(source=source, target=tmp_path / "target", read=read, codec="text")
    return tmp_path / "target"


def test_pages_follow_each_other_and_miss_nothing(tmp_path: Path) -> None:
    names = [f"{number:04}" for number in range(250)]
    with open_snapshot(committed(tmp_path, names)) as snapshot:
        found, at = [], 0
        while at is not None:
            page = read_page(snapshot, "files.jsonl", at=at, limit=100)
            assert len(page.lines) in (100, 50)
            found += [line.path for line in page.lines]
            at = page.next
    assert found == [f"{name}.txt" for name in names]


def test_a_search_finds_what_has_it_in_its_name_in_any_case(tmp_path: Path) -> None:
    with open_snapshot(committed(tmp_path, ["Tile_1", "tile_2", 'quo"te', "münchen", "other"])) as snapshot:

        def search(text: str) -> list[str]:
            return [line.path for line in read_page(snapshot, "files.jsonl", containing=text).lines]

        assert search("TILE") == ["Tile_1.txt", "tile_2.txt"]
        assert search('O"T') == ['quo"te.txt']
        assert search("ünch") == ["münchen.txt"]
        assert search("digest") == []


def test_a_search_that_takes_too_long_says_where_to_go_on(tmp_path: Path) -> None:
    source = write_texts(tmp_path / "raw", a="a")

    def many(path: str) -> object:
        yield from ((f"{number:05}", "x") for number in range(9_000))

    read_directory(source=source, target=tmp_path / "target", read=many, codec="text", durability="process")
    with open_snapshot(tmp_path / "target") as snapshot:
        page = read_page(snapshot, "files.jsonl", containing="08999", seconds=0)
        looks = 1
        while not page.lines:
            assert page.next is not None
            page = read_page(snapshot, "files.jsonl", containing="08999", seconds=0, at=page.next)
            looks += 1
    assert [line.path for line in page.lines] == ["08999.txt"]
    assert looks == 3


@pytest.mark.parametrize("at", [1, 10**9, -1])
def test_a_page_begins_where_a_line_does(at: int, tmp_path: Path) -> None:
    with open_snapshot(committed(tmp_path, ["a", "b"])) as snapshot, pytest.raises(errors.ArgumentRefused):
        read_page(snapshot, "files.jsonl", at=at)


@given(
    names=st.sets(st.text("ab.-_0é", min_size=1, max_size=12).filter(lambda name: name.strip(".")), max_size=40),
    asked=st.text("ab.-_0é", min_size=1, max_size=12),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_line_is_found_among_any(names: set[str], asked: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    names.add("a")
    source, target = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("out") / "target"
    (source / "one").write_text("1")

    def make(path: str) -> object:
        yield from ((name, name * 3) for name in names)

    read_directory(source=source, target=target, read=make, codec="text", durability="process")
    with open_snapshot(target) as snapshot:
        for name in names:
            assert find_line(snapshot, "files.jsonl", f"{name}.txt").path == f"{name}.txt"
        assert (find_line(snapshot, "files.jsonl", f"{asked}.txt") is not None) == (asked in names)
