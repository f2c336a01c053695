"""What users see of an input is of one class, wherever they meet it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Partitions, Record, errors, open_snapshot, read_directory, transform_directory
from tests.core.seed import read_text
from tests.text_files import values, write


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write(tmp_path / "raw/sub", one="1")
    write(tmp_path / "raw", two="22")
    return tmp_path / "raw"


@pytest.fixture
def made(raw: Path, tmp_path: Path) -> Path:
    """What one partition's stage made of it."""
    target = tmp_path / "interim/2026-11-01"
    read_directory(source=raw, target=target, read=read_text, codec="text", partition="2026-11-01")
    return target


def told(record: Record) -> list[Any]:
    """All that a record says; its path by what it opens."""
    assert type(record) is Record
    entry = record.entry
    return [record.key, Path(record.path).read_text(), record.value, entry.path, entry.size, record.partition]


TOLD = [
    ["sub/one", "1", "1", "sub/one.txt", 1, "2026-11-01"],
    ["two", "22", "22", "two.txt", 2, "2026-11-01"],
]


def all_told(records: Iterator[Record]) -> list[Any]:
    """As an aggregate."""
    return [told(record) for record in records]


def test_of_a_snapshot(made: Path) -> None:
    with open_snapshot(made) as snapshot:
        assert [told(record) for record in snapshot] == TOLD
        assert all(len(record.entry.digest) == 64 for record in snapshot)


@pytest.mark.parametrize("workers", [1, 2])
def test_of_a_transform(made: Path, tmp_path: Path, workers: int) -> None:
    transform_directory(
        source=made,
        target=tmp_path / "final",
        transform=lambda value, *, record: told(record),
        codec="json",
        workers=workers,
    )
    assert list(values(tmp_path / "final").values()) == TOLD


def test_of_a_batch(made: Path, tmp_path: Path) -> None:
    transform_directory(
        source=made,
        target=tmp_path / "final",
        transform=lambda values, *, record: [told(one) for one in record],
        codec="json",
        batch_size=2,
    )
    assert list(values(tmp_path / "final").values()) == TOLD


def test_of_an_aggregate(made: Path, tmp_path: Path) -> None:
    transform_directory(source=made, target=tmp_path / "final", aggregate=all_told, codec="json")
    assert values(tmp_path / "final") == {"all_told": TOLD}


def test_of_an_aggregate_of_files_that_no_stage_wrote(raw: Path, tmp_path: Path) -> None:
    def aggregate(records: Iterator[Record]) -> list[Any]:
        return [[*told(record), record.entry.digest] for record in records]

    transform_directory(source=raw, target=tmp_path / "final", read=read_text, aggregate=aggregate, codec="json")
    (found,) = values(tmp_path / "final").values()
    assert found == [[*each[:-1], None, None] for each in TOLD]


@pytest.mark.parametrize("aggregates", [True, False])
def test_of_a_roll_up(made: Path, tmp_path: Path, aggregates: bool) -> None:
    functions: dict[str, Any] = {"transform": lambda value, *, record: told(record)}
    if aggregates:
        functions = {"aggregate": all_told}
    source = Partitions(tmp_path / "interim/{partition}", ("2026-11-01",))
    transform_directory(source=source, target=tmp_path / "final", codec="json", **functions)
    rows = [[f"2026-11-01/{key}", *rest] for key, *rest in TOLD]
    found = values(tmp_path / "final")
    assert found == ({"all_told": rows} if aggregates else {row[0]: row for row in rows})


def test_of_joined_sources(made: Path, raw: Path, tmp_path: Path) -> None:
    read_directory(source=raw, target=tmp_path / "other", read=read_text, codec="text", pattern="two*")

    def aggregate(records: Iterator[Record]) -> list[Any]:
        return [
            [one.key, [path and Path(path).read_text() for path in one.path], one.value, [*map(_size, one.entry)]]
            for one in records
        ]

    def _size(entry: Any) -> Any:
        return entry and entry.size

    transform_directory(
        source=[made, tmp_path / "other"], target=tmp_path / "final", aggregate=aggregate, join="outer", codec="json"
    )
    (found,) = values(tmp_path / "final").values()
    assert found == [["sub/one", ["1", None], ["1", None], [1, None]], ["two", ["22", "22"], ["22", "22"], [2, 2]]]


def test_what_no_stage_wrote_has_no_value(raw: Path, tmp_path: Path) -> None:
    def read(path: str, *, record: Record) -> str:
        assert (record.path, record.entry.digest, record.partition) == (path, None, None)
        assert pickle.loads(pickle.dumps(record)).path == path
        return str(record.value)

    with pytest.raises(errors.ArgumentRefused, match=r"nothing says how to decode .*one\.txt"):
        read_directory(source=raw, target=tmp_path / "out", read=read, codec="text")
    assert not (tmp_path / "out").exists()


def test_another_process_gets_the_value_with_it(made: Path, tmp_path: Path) -> None:
    with open_snapshot(made) as snapshot, ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert list(pool.map(told, snapshot)) == TOLD

    def aggregate(records: Iterator[Record]) -> list[Any]:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return list(pool.map(told, records))

    transform_directory(source=made, target=tmp_path / "final", aggregate=aggregate, codec="json", version="1")
    (found,) = values(tmp_path / "final").values()
    assert found == TOLD
