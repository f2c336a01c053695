"""An entry that memory cannot hold, such as one whose header claims too much, costs that entry and not the stage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from airflow_dirops.core import errors, open_snapshot, read_directory, transform_directory
from tests.core.directories import assert_whole, lines_of, values_of, write_texts


def read_size(path: str) -> Any:
    return np.arange(1_000, dtype=float)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A target with three arrays, of which ``b`` says that it has terabytes."""
    made = tmp_path / "out" / "arrays"
    read_directory(source=write_texts(tmp_path / "in", a="a", b="b", c="c"), target=made, read=read_size)
    content = (made / "b.npy").read_bytes()
    damaged = re.sub(rb"1000(,\), }) {11}", rb"900000000000000\1", content, count=1)
    assert len(damaged) == len(content)
    (made / "b.npy").write_bytes(damaged)
    with open_snapshot(made) as snapshot, pytest.raises(errors.ResourcesExhausted):
        [record.value for record in snapshot]
    return made


def size(value: Any) -> Any:
    return value.sum()


def sizes(values: list[Any]) -> list[Any]:
    return [value.sum() for value in values]


def total(records: Any) -> Any:
    return sum(record.value.sum() for record in records)


WAYS: dict[str, dict[str, Any]] = {
    "in this process": {"transform": size},
    "in workers": {"transform": size, "workers": 2},
    "in batches": {"transform": sizes, "batch_size": 3},
    "together": {"aggregate": total},
}


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_it_is_set_aside(source: Path, target: Path, options: dict[str, Any]) -> None:
    outcome = transform_directory(source=source, target=target, on_error="quarantine", **options)
    assert (outcome.outcome, outcome.counts["quarantined"]) == ("committed", 1)
    (line,) = lines_of(target, "quarantine.jsonl")
    assert (line["path"], line["error"].endswith("MemoryError")) == ("b.npy", True)
    assert sorted(values_of(target)) == (["total"] if "aggregate" in options else ["a", "c"])
    assert_whole(target)


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_it_fails_as_a_file_does(source: Path, target: Path, options: dict[str, Any]) -> None:
    with pytest.raises(errors.RecordFailed, match=r"b\.npy.*no memory"):
        transform_directory(source=source, target=target, **options)


def test_one_of_joined_sources(source: Path, target: Path) -> None:
    def both(one: Any, other: Any) -> Any:
        return one + other

    outcome = transform_directory(
        source=[source, source], join="inner", target=target, transform=both, on_error="quarantine"
    )
    assert (outcome.counts["entries"], outcome.counts["quarantined"]) == (2, 1)


class Hungry:
    """A codec of a user's own, which needs more memory for one value than there is."""

    name, suffix = "hungry", ".txt"

    def encode(self, value: str, file: BinaryIO) -> None:
        file.write(value.encode())
        if value == "b":
            raise MemoryError

    def decode(self, file: BinaryIO) -> str:
        return file.read().decode()


def same(value: str) -> str:
    return value


def all_of(values: list[str]) -> list[str]:
    return values


ENCODED: dict[str, dict[str, Any]] = {
    "in this process": {"transform": same},
    "in workers": {"transform": same, "workers": 2},
    "in batches": {"transform": all_of, "batch_size": 3},
}


class TestWritten:
    @pytest.fixture
    def letters(self, tmp_path: Path) -> Path:
        made = tmp_path / "out" / "letters"
        read_directory(source=write_texts(tmp_path / "in", a="a", b="b", c="c"), target=made, read=text, codec="text")
        return made

    @pytest.mark.parametrize("options", ENCODED.values(), ids=ENCODED)
    def test_it_is_set_aside(self, letters: Path, target: Path, options: dict[str, Any]) -> None:
        outcome = transform_directory(
            source=letters, target=target, codec=Hungry(), on_error="quarantine", durability="full", **options
        )
        assert (outcome.outcome, outcome.counts["quarantined"]) == ("committed", 1)
        (line,) = lines_of(target, "quarantine.jsonl")
        assert line["path"] == "b.txt"
        assert "'hungry' raised MemoryError" in line["message"]
        assert values_of(target, codec=Hungry()) == {"a": "a", "c": "c"}
        assert_whole(target)

    @pytest.mark.parametrize("options", [*ENCODED.values(), {"aggregate": "".join}], ids=[*ENCODED, "together"])
    def test_it_fails_as_a_file_does(self, letters: Path, target: Path, options: dict[str, Any]) -> None:
        if "aggregate" in options:
            options = {"aggregate": lambda records: "b" if list(records) else ""}
        with pytest.raises(errors.EncodeError, match="'hungry' raised MemoryError"):
            transform_directory(source=letters, target=target, codec=Hungry(), **options)
        assert not target.exists()

    def test_one_of_many_of_one_input(self, letters: Path, target: Path) -> None:
        def spelled(value: str) -> Iterator[tuple[str, str]]:
            yield f"{value}1", "x"
            yield f"{value}2", value

        outcome = transform_directory(
            source=letters, target=target, codec=Hungry(), transform=spelled, on_error="quarantine"
        )
        assert (outcome.counts["entries"], outcome.counts["quarantined"]) == (4, 1)
        assert_whole(target)


def text(path: str) -> str:
    return Path(path).read_text()
