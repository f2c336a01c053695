"""A check looks at what was sealed, beside what it would replace, before anybody sees it."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airflow_dirops.core import Outcome, Snapshot, publish, read_directory, read_manifest, transform_directory
from airflow_dirops.core.checks import at_least, at_most_fewer, at_most_quarantined, every_record, steady_mean
from airflow_dirops.core.errors import ArgumentRefused, CheckFailed
from tests.core.conftest import Run
from tests.core.directories import control_of, values_of, write_texts

Base = Snapshot | None


def numbers(folder: Path, *values: float) -> Path:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for number, value in enumerate(values):
        (folder / f"{number}.txt").write_text(str(value))
    return folder


def read_number(path: str) -> Any:
    text = Path(path).read_text()
    if text == "bad":
        raise ValueError(text)
    return np.array(float(text))


@pytest.fixture
def measure(tmp_path: Path) -> Any:
    def measure(*values: float, **options: Any) -> Outcome:
        source = numbers(tmp_path / "raw", *values)
        given = {"read": read_number, "stage": "measure", "version": "1", "max_removed": "100%", **options}
        return read_directory(source=source, target=tmp_path / "measured", **given)

    return measure


class TestOne:
    def test_sees_both_snapshots_and_lets_through(self, run: Run, target: Path, texts: Path) -> None:
        seen: list[Any] = []

        def check(snapshot: Snapshot, base: Base, params: dict[str, Any], partition: str | None) -> None:
            before = None if base is None else {record.key: record.value for record in base}
            seen.append(({record.key: record.value for record in snapshot}, before, params, partition))

        run(check=check, params={"x": 1}, partition="day")
        write_texts(texts, a="new")
        run(check=check, params={"x": 1}, partition="day")
        old, new = {"a": "alpha", "b": "beta", "c": "gamma"}, {"a": "new", "b": "beta", "c": "gamma"}
        assert seen == [(old, None, {"x": 1}, "day"), (new, old, {"x": 1}, "day")]
        assert values_of(target) == new

    def test_keeps_what_it_speaks_against_from_everybody_and_the_work_is_not_lost(
        self, run: Run, target: Path, texts: Path
    ) -> None:
        before = run()
        write_texts(texts, a="new")
        with pytest.raises(CheckFailed, match="did not pass its checks") as refused:
            run(check=lambda snapshot, base: "it looks odd")
        assert str(target) in str(refused.value)
        assert read_manifest(target).snapshot == before.snapshot
        again = run(check=lambda snapshot, base: None)
        assert (again.outcome, again.counts["reused"], again.counts["computed"]) == ("committed", 1, 0)

    def test_all_findings_of_all_checks_are_told_at_once(self, run: Run) -> None:
        def several(snapshot: Snapshot, base: Base) -> Iterator[str]:
            yield "one"
            yield "two"

        def asserts(snapshot: Snapshot, base: Base) -> None:
            assert len(snapshot) == 7, "there should be seven"

        def fails(snapshot: Snapshot, base: Base) -> None:
            raise KeyError("no such thing")

        with pytest.raises(CheckFailed) as refused:
            run(check=[several, asserts, fails, at_least(4), lambda snapshot, base: False])
        said = "\n".join(refused.value.findings)
        for each in ("one", "two", "seven", "KeyError", "at least 4", "False", "test_checks.py, line"):
            assert each in said

    @pytest.mark.parametrize("nothing", [None, "", [], True, ("", None)])
    def test_nothing_speaks_against_it(self, run: Run, nothing: Any) -> None:
        assert run(check=lambda snapshot, base: nothing).outcome == "committed"

    def test_an_endless_one_is_cut_off(self, run: Run) -> None:
        def endless(snapshot: Snapshot, base: Base) -> Iterator[str]:
            while True:
                yield "no"

        with pytest.raises(CheckFailed) as refused:
            run(check=endless)
        assert len(refused.value.findings) == 50

    def test_is_not_asked_where_nothing_is_new(self, run: Run) -> None:
        run()
        assert run(check=at_least(99)).outcome == "unchanged"

    def test_is_no_part_of_the_code_that_made_the_files(self, run: Run) -> None:
        run(check=at_least(1))
        assert run(check=at_least(2)).outcome == "unchanged"

    def test_also_looks_at_what_an_aggregate_made(self, run: Run, target: Path, tmp_path: Path) -> None:
        run()
        with pytest.raises(CheckFailed):
            transform_directory(
                source=target,
                target=tmp_path / "sum",
                aggregate=lambda records: sum(len(record.value) for record in records),
                codec="json",
                check=lambda snapshot, base: [f"it is {record.value}" for record in snapshot],
            )

    def test_comes_before_the_hold(self, run: Run, target: Path) -> None:
        with pytest.raises(CheckFailed):
            run(check=at_least(99), publish="hold")
        assert not [*(control_of(target) / "attempts").glob("*/hold.json")]

    def test_decodes_pickles_that_the_stage_wrote_itself(self, run: Run) -> None:
        seen: list[Any] = []
        run(codec="pickle", check=lambda snapshot, base: seen.extend(record.value for record in snapshot))
        assert seen == ["alpha", "beta", "gamma"]

    @pytest.mark.parametrize(
        ("check", "match"),
        [
            (7, "must be a function"),
            ([at_least(1), "x"], "must be a function"),
            (lambda snapshot: None, "takes 1 positional"),
            (lambda snapshot, base, record: None, "every_record"),
            (lambda snapshot, base, today: None, "nothing gives it today"),
        ],
    )
    def test_what_cannot_be_called_is_refused(self, run: Run, target: Path, check: Any, match: str) -> None:
        with pytest.raises(ArgumentRefused, match=match):
            run(check=check)
        assert not target.parent.exists()


class TestReadyMade:
    def test_not_many_fewer(self, measure: Any) -> None:
        check = at_most_fewer("20%")
        measure(*range(10), check=check)
        measure(*range(8), check=check)
        with pytest.raises(CheckFailed, match=r"6 files, 25% fewer than the 8"):
            measure(*range(6), check=check)

    def test_not_many_failures(self, measure: Any) -> None:
        options = {"on_error": "quarantine", "check": at_most_quarantined("25%")}
        measure(1, 2, 3, "bad", **options)
        with pytest.raises(CheckFailed, match="2 of 4 inputs failed"):
            measure(1, 2, "bad", "bad", **options)

    def test_every_record(self, measure: Any) -> None:
        check = every_record(lambda record: "it is negative" if record.value < 0 else None)
        measure(1, 2, check=check)
        with pytest.raises(CheckFailed) as refused:
            measure(1, -2, -3, check=check)
        assert len(refused.value.findings) == 2
        assert "'1': it is negative" in refused.value.findings[0]

    def test_a_steady_mean(self, measure: Any) -> None:
        check = steady_mean(lambda record: record.value, "10%")
        measure(10, 10, check=check)
        measure(10, 12, check=check)
        with pytest.raises(CheckFailed, match="the mean is 20, and was 11"):
            measure(20, 20, check=check)
        with pytest.raises(CheckFailed, match="the mean is nan"):
            measure(10, math.nan, check=check)

    @pytest.mark.parametrize("share", ["5", "5 percent", "101%", "-1%", ""])
    def test_what_is_no_percentage_is_refused(self, share: str) -> None:
        with pytest.raises(ArgumentRefused, match="no percentage"):
            at_most_fewer(share)


def test_a_check_over_many_records_holds_one_at_a_time(measure: Any, tmp_path: Path) -> None:
    peaks: list[int] = []

    def check(snapshot: Snapshot, base: Base) -> Iterator[str]:
        tracemalloc.start()
        yield from steady_mean(lambda record: record.value.mean(), "10%")(snapshot, base)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    def read(path: str) -> Any:
        return np.full(100_000, read_number(path))

    measure(*[1] * 30, read=read, check=check)
    measure(*[1.01] * 30, read=read, check=check)
    assert peaks[1] < 4_000_000


def test_what_does_not_pass_is_held_and_what_passes_is_committed(measure: Any, tmp_path: Path) -> None:
    target = tmp_path / "measured"
    careful = {"check": at_most_fewer("5%"), "publish": "if_passed"}
    first = measure(1, 2, 3, **careful)
    assert (first.outcome, read_manifest(target).snapshot) == ("committed", first.snapshot)

    fewer = measure(1, **careful)
    assert fewer.outcome == "held"
    assert str(fewer.reason).startswith("at_most_fewer('5%'): it has 1 file, 66.7% fewer than the 3")
    assert read_manifest(target).snapshot == first.snapshot

    publish(target, fewer.snapshot, reason="two were removed on purpose")
    assert len(values_of(target)) == 1
    assert measure(1, 2, **careful).outcome == "committed"


def test_what_is_to_pass_needs_a_check(measure: Any) -> None:
    with pytest.raises(ArgumentRefused, match="there are none; give check="):
        measure(1, publish="if_passed")
