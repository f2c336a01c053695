"""A transform over lists of values: the entries of one value at a time, in fewer calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airflow_dirops.core import errors, read_directory, transform_directory
from tests.core.directories import assert_whole, lines_of, values_of

FILES = 50


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"n{number:02}.txt").write_text(str(number))
    read_directory(source=folder, target=tmp_path / "numbers", read=lambda path: np.array(int(Path(path).read_text())))
    return tmp_path / "numbers"


def doubled(values: list[Any]) -> Any:
    return np.stack(values) * 2


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_every_value_gets_its_result(numbers: Path, target: Path, batch_size: int, workers: int) -> None:
    outcome = transform_directory(
        source=numbers, target=target, transform=doubled, batch_size=batch_size, workers=workers
    )
    assert outcome.counts["entries"] == FILES
    assert {key: int(value) for key, value in values_of(target).items()} == {f"n{n:02}": 2 * n for n in range(FILES)}
    assert [line["inputs"][0]["path"] for line in lines_of(target, "files.jsonl")][:2] == ["n00.npy", "n01.npy"]
    assert_whole(target)


def test_the_size_of_a_batch_is_no_other_function(numbers: Path, target: Path) -> None:
    transform_directory(source=numbers, target=target, transform=doubled, batch_size=8)
    assert transform_directory(source=numbers, target=target, transform=doubled, batch_size=9).outcome == "unchanged"


def test_calls_get_as_many_values_as_asked_and_what_they_name(numbers: Path, target: Path, tmp_path: Path) -> None:
    def note(values: list[Any], *, key: list[str], path: list[str], record: list[Any], params: dict[str, int]) -> Any:
        assert [os.path.basename(one) for one in path] == [f"{one}.npy" for one in key]
        assert [one.key for one in record] == key
        with open(tmp_path / "calls", "a") as file:
            file.write(f"{len(values)} {key[0]}\n")
        return [None if one == "n03" else value + params["by"] for one, value in zip(key, values, strict=True)]

    outcome = transform_directory(source=numbers, target=target, transform=note, batch_size=20, params={"by": 1})
    assert (tmp_path / "calls").read_text().splitlines() == ["20 n00", "20 n20", "10 n40"]
    assert (outcome.counts["entries"], outcome.counts["skipped"]) == (FILES - 1, 1)
    assert int(values_of(target)["n04"]) == 5


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("trouble", "error"), [(lambda: 1 // 0, "ZeroDivisionError"), (lambda: os._exit(2), "WorkerDied")]
)
def test_a_batch_that_fails_is_taken_apart(
    numbers: Path, target: Path, workers: int, trouble: Callable[[], Any], error: str
) -> None:
    if error == "WorkerDied" and workers == 1:
        pytest.skip("one worker is this very process")

    def touchy(values: list[Any]) -> list[Any]:
        if any(value == 13 for value in values):
            trouble()
        return values

    outcome = transform_directory(
        source=numbers, target=target, transform=touchy, batch_size=10, workers=workers, on_error="quarantine"
    )
    assert (outcome.counts["entries"], outcome.counts["quarantined"]) == (FILES - 1, 1)
    (line,) = lines_of(target, "quarantine.jsonl")
    assert (line["path"], line["error"]) == ("n13.npy", error)
    assert_whole(target)


def test_an_input_that_cannot_be_decoded_fails_alone(numbers: Path, target: Path) -> None:
    damaged = numbers / "n13.npy"
    damaged.chmod(0o600)
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    outcome = transform_directory(
        source=numbers, target=target, transform=doubled, batch_size=10, on_error="quarantine"
    )
    assert outcome.counts["quarantined"] == 1


@pytest.mark.parametrize("wrong", [lambda values: values[1:], lambda values: None, lambda values: {"a": 1}, sum])
def test_as_many_results_as_values_are_expected(numbers: Path, target: Path, wrong: Callable[[Any], Any]) -> None:
    with pytest.raises(errors.RecordFailed, match=r"batches (gave 0 results for 1|must return a list)"):
        transform_directory(source=numbers, target=target, transform=wrong, batch_size=5, pattern="n0*")


def test_several_records_of_one_input_share_a_batch(tmp_path: Path, target: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "words.txt").write_text("one two three")

    def words(path: str) -> Any:
        yield from ((word, word) for word in Path(path).read_text().split())

    transform_directory(
        source=tmp_path / "raw",
        target=target,
        read=words,
        transform=lambda values: [value.upper() for value in values],
        batch_size=2,
        codec="text",
    )
    assert values_of(target) == {"one": "ONE", "three": "THREE", "two": "TWO"}


def test_a_read_takes_no_batches(tmp_path: Path, target: Path) -> None:
    with pytest.raises(errors.ArgumentRefused, match="batch_size= is for a transform"):
        read_directory(source=tmp_path, target=target, read=str, batch_size=3)
