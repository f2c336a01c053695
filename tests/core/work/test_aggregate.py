"""One function over all records: many inputs into one entry or some, in constant memory, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airflow_dirops.core import errors, read_directory, transform_directory
from tests.core.directories import assert_whole, header_of, lines_of, nothing_lost, values_of


def write_number(folder: Path, number: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"n{number:02}.txt").write_text(str(number))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for number in range(20):
        write_number(tmp_path / "raw", number)
    return tmp_path / "raw"


@pytest.fixture
def numbers(raw: Path, tmp_path: Path) -> Path:
    read_directory(source=raw, target=tmp_path / "numbers", read=read_number)
    return tmp_path / "numbers"


def read_number(path: str) -> Any:
    return np.array(int(Path(path).read_text()))


def mean(records: Iterator[Any]) -> Any:
    total = count = 0
    for record in records:
        total += int(record.value)
        count += 1
    return np.array(total / count)


def by_parity(records: Iterator[Any], *, params: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for record in records:
        if int(record.value) in (4, 5):
            yield f"{params['prefix']}/{record.key}", record.value


def test_many_become_one_named_as_the_function(numbers: Path, target: Path) -> None:
    outcome = transform_directory(source=numbers, target=target, aggregate=mean)
    assert {key: float(value) for key, value in values_of(target).items()} == {"mean": 9.5}
    assert (outcome.counts["inputs"], outcome.counts["entries"], outcome.counts["computed"]) == (20, 1, 20)
    assert lines_of(target, "files.jsonl")[0]["inputs"] == []
    assert_whole(target)


def test_many_become_some(numbers: Path, target: Path) -> None:
    transform_directory(source=numbers, target=target, aggregate=by_parity, params={"prefix": "few"})
    assert {key: int(value) for key, value in values_of(target).items()} == {"few/n04": 4, "few/n05": 5}


def test_a_lambda_over_a_bare_directory(raw: Path, target: Path) -> None:
    transform_directory(
        source=raw,
        target=target,
        read=read_number,
        aggregate=lambda records: sorted(r.key for r in records),
        codec="json",
    )
    assert values_of(target) == {"aggregate": [f"n{number:02}" for number in range(20)]}


def test_records_come_in_order_one_at_a_time_and_only_as_asked(raw: Path, target: Path) -> None:
    read: list[str] = []

    def note(path: str) -> Any:
        read.append(Path(path).stem)
        return np.zeros(1)

    def first_three(records: Iterator[Any]) -> list[str]:
        found = []
        for record in records:
            found.append(record.key)
            assert read[-1] == record.key
            if len(found) == 3:
                return found
        return []

    transform_directory(source=raw, target=target, read=note, aggregate=first_three, codec="json")
    assert read == ["n00", "n01", "n02"]


class TestAgain:
    def test_nothing_new_is_unchanged(self, numbers: Path, target: Path) -> None:
        transform_directory(source=numbers, target=target, aggregate=mean)
        with nothing_lost(target):
            assert transform_directory(source=numbers, target=target, aggregate=mean).outcome == "unchanged"

    def test_a_new_a_changed_and_a_removed_input_count(self, raw: Path, target: Path) -> None:
        def run() -> float:
            outcome = transform_directory(source=raw, target=target, read=read_number, aggregate=mean)
            assert outcome.outcome == "committed"
            return float(values_of(target)["mean"])

        assert run() == 9.5
        write_number(raw, 41)
        assert run() == 11
        (raw / "n41.txt").write_text("62")
        assert run() == 12
        (raw / "n41.txt").unlink()
        assert run() == 9.5

    def test_other_code_and_a_missing_entry_count(self, numbers: Path, target: Path) -> None:
        transform_directory(source=numbers, target=target, aggregate=mean, version="1")
        assert transform_directory(source=numbers, target=target, aggregate=mean, version="2").outcome == "committed"
        (target / "mean.npy").unlink()
        assert transform_directory(source=numbers, target=target, aggregate=mean, version="2").outcome == "committed"
        assert_whole(target)

    def test_redo_all_redoes_it(self, numbers: Path, target: Path) -> None:
        first = transform_directory(source=numbers, target=target, aggregate=mean)
        again = transform_directory(source=numbers, target=target, aggregate=mean, redo="all")
        assert again.snapshot != first.snapshot


class TestFailures:
    def test_of_the_function(self, numbers: Path, target: Path) -> None:
        def broken(records: Iterator[Any]) -> None:
            next(records)
            raise ZeroDivisionError("no")

        with pytest.raises(errors.RecordFailed, match=r"broken failed on the records of .*ZeroDivisionError: no"):
            transform_directory(source=numbers, target=target, aggregate=broken, stage="all")
        assert not target.exists()

    def test_of_an_input_names_it(self, raw: Path, target: Path) -> None:
        (raw / "n13.txt").write_text("thirteen")
        with pytest.raises(errors.RecordFailed, match=r"n13\.txt.*ValueError"):
            transform_directory(source=raw, target=target, read=read_number, aggregate=mean)

    def test_of_an_input_is_not_swallowed_by_the_function(self, raw: Path, target: Path) -> None:
        def stubborn(records: Iterator[Any]) -> Any:
            total = 0
            try:
                for record in records:
                    total += int(record.value)
            except Exception:
                pass
            return np.array(total)

        (raw / "n13.txt").write_text("thirteen")
        with pytest.raises(errors.RecordFailed, match=r"n13\.txt"):
            transform_directory(source=raw, target=target, read=read_number, aggregate=stubborn)
        assert not target.exists()

    def test_of_inputs_go_into_the_quarantine_and_are_retried(self, raw: Path, target: Path) -> None:
        def run() -> str:
            return transform_directory(
                source=raw, target=target, read=read_number, aggregate=mean, on_error="quarantine", max_failures=2
            ).outcome

        (raw / "n19.txt").write_text("nineteen")
        assert run() == "committed"
        assert float(values_of(target)["mean"]) == 9
        assert [line["path"] for line in lines_of(target, "quarantine.jsonl")] == ["n19.txt"]
        assert header_of(target)["counts"]["inputs"] == 20
        assert run() == "unchanged"
        for name in ("n17.txt", "n18.txt"):
            (raw / name).write_text("?")
        with nothing_lost(target), pytest.raises(errors.TooManyFailures):
            run()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transform": str}, "both transform= and aggregate="),
        ({"workers": 2}, "one call over all records"),
        ({"batch_size": 2}, "batch_size= is for a transform"),
        ({"aggregate": lambda records, *, key: key}, "has no key of its own"),
    ],
)
def test_what_makes_no_sense_is_refused(numbers: Path, target: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ArgumentRefused, match=message):
        transform_directory(**{"source": numbers, "target": target, "aggregate": mean, **options})
