"""Snapshots compared with values, with other snapshots and with golden folders: what is told of differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airflow_dirops.core import errors
from airflow_dirops.core.insight.values import Tolerance, iter_differences
from airflow_dirops.testing.golden import assert_same_snapshot
from airflow_dirops.testing.made import Made
from airflow_dirops.testing.stages import Stages

VALUES = {f"img_{number}": np.full((2, 3), float(number)) for number in range(4)}


def made(folder: Path, values: Any = VALUES, **options: Any) -> Made:
    return Stages(folder).transform(values, lambda value: value, stage="as_it_is", **options)


def told(actual: Any, expected: Any, **how: Any) -> str:
    with pytest.raises(pytest.fail.Exception) as caught:
        assert_same_snapshot(actual, expected, **how)
    return str(caught.value)


def test_what_is_missing_not_expected_and_different_is_told(tmp_path: Path) -> None:
    changed = VALUES["img_2"].copy()
    changed[1, 0] += 0.5
    expected = {"img_0": VALUES["img_0"], "img_1": VALUES["img_1"].astype("float32"), "img_2": changed, "other": 1}
    message = told(made(tmp_path), expected)
    assert "1 keys are the same" in message
    assert "1 missing: 'other'" in message
    assert "1 not expected: 'img_3'" in message
    assert "'img_1': dtype float64 instead of float32" in message
    assert "'img_2': 1 of 6 elements differ by up to 0.5, first [1, 0]: 2.0 instead of 2.5" in message
    assert "DIROPS_GOLDEN" not in message


def test_the_first_few_of_many_are_told(tmp_path: Path) -> None:
    many = {f"k{number:02}": "x" for number in range(30)}
    message = told(made(tmp_path, many, codec="text"), dict.fromkeys(many, "y") | {f"n{n}": "x" for n in range(9)})
    assert "30 different:" in message
    assert "and 25 more" in message
    assert "'n0', 'n1', 'n2', 'n3', 'n4' and 4 more" in message
    assert len(message) < 1_000


def test_numbers_may_be_apart_by_the_tolerance(tmp_path: Path) -> None:
    near = {key: value + 0.01 for key, value in VALUES.items()}
    assert_same_snapshot(made(tmp_path), near, tolerance=0.011)
    assert "with a tolerance of 0.009" in told(made(tmp_path), near, tolerance=0.009)
    assert_same_snapshot(made(tmp_path), {**near, "img_0": VALUES["img_0"]}, relative=0.01)


def test_two_snapshots_are_compared(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one"), made(tmp_path / "other", VALUES | {"img_0": np.zeros(1)})
    assert_same_snapshot(one, made(tmp_path / "third"))
    assert_same_snapshot(one.target, one.outcome.to_dict() and one.target)
    assert "shape (2, 3) instead of (1,)" in told(one.outcome.to_dict(), other.target)


def test_a_golden_folder_is_asked_for_written_and_then_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden, first = tmp_path / "golden/red", made(tmp_path / "first")
    with pytest.raises(
        errors.ArgumentRefused, match=r"there is no golden folder .* run the test with DIROPS_GOLDEN=write"
    ):
        assert_same_snapshot(first, golden)
    monkeypatch.setenv("DIROPS_GOLDEN", "write")
    assert_same_snapshot(first, golden)
    assert sorted(path.name for path in golden.iterdir()) == [f"img_{number}.npy" for number in range(4)]
    (golden / "README.md").write_text("of 2026")
    monkeypatch.delenv("DIROPS_GOLDEN")
    assert_same_snapshot(first, golden)

    later = made(tmp_path / "later", {"img_0": VALUES["img_0"] + 1e-9, "img_1": VALUES["img_2"], "new": np.ones(1)})
    message = told(later, golden, tolerance=1e-6)
    assert "1 keys are the same" in message
    assert "2 missing: 'img_2', 'img_3'" in message
    assert "run the test with DIROPS_GOLDEN=write" in message

    before = (golden / "img_0.npy").read_bytes()
    monkeypatch.setenv("DIROPS_GOLDEN", "write")
    assert_same_snapshot(later, golden, tolerance=1e-6)
    assert sorted(path.name for path in golden.iterdir()) == ["README.md", "img_0.npy", "img_1.npy", "new.npy"]
    assert (golden / "img_0.npy").read_bytes() == before  # near enough, and no change to the repository


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder.touch(), "is a file"),
        (lambda folder: folder.mkdir(), "holds no .npy file"),
    ],
)
def test_what_is_no_golden_folder_is_refused(tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "golden")
    with pytest.raises(errors.ArgumentRefused, match=message):
        assert_same_snapshot(made(tmp_path), tmp_path / "golden")


def test_a_golden_file_that_cannot_be_read_is_a_difference(tmp_path: Path) -> None:
    (tmp_path / "golden").mkdir()
    for key in VALUES:
        (tmp_path / f"golden/{key}.npy").write_bytes(b"damaged")
    assert "'img_0': what is expected cannot be read: " in told(made(tmp_path), tmp_path / "golden")


def test_another_value_of_the_variable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIROPS_GOLDEN", "yes")
    (tmp_path / "golden").mkdir()
    with pytest.raises(errors.ArgumentRefused, match="set it to 'write'"):
        assert_same_snapshot(made(tmp_path), tmp_path / "golden")


@pytest.mark.parametrize(
    ("actual", "expected", "phrases"),
    [
        ({"a": {"b": [1, 2.0]}}, {"a": {"b": [1, 2.5]}}, ["['a']['b'][1]: 2.0 instead of 2.5"]),
        ({"a": 1}, {"b": 1}, ["['b'] is missing", "['a'] is not expected"]),
        ([1, 2], [1], ["it has 2 elements instead of 1"]),
        (1, 1.0, []),
        (True, 1, ["a bool instead of a int: True instead of 1"]),
        (float("nan"), float("nan"), []),
        (np.array([np.nan, 1.0]), np.array([np.nan, 1.0]), []),
        (
            np.array([np.inf, 1.0]),
            np.array([np.nan, 1.0]),
            ["1 of 2 elements differ, first [0]: inf instead of nan"],
        ),
        (
            np.array(2**60),
            np.array(2**60 + 1),
            [f"1 of 1 elements differ, first [0]: {2**60} instead of {2**60 + 1}"],
        ),
        (np.uint8(3), np.uint8(5), ["3 instead of 5"]),
        (np.array(["a", "b"]), np.array(["a", "c"]), ["1 of 2 elements differ, first [1]: 'b' instead of 'c'"]),
        (
            np.array([(1, 2.0)], "i4,f8"),
            np.array([(1, 2.5)], "i4,f8"),
            ["1 of 1 elements differ, first [0]: (1, 2.0) instead of (1, 2.5)"],
        ),
        (np.zeros(0), np.zeros(0), []),
        (np.zeros(3), [0, 0, 0], ["a ndarray instead of a list"]),
        (
            "x" * 99 + "a",
            "x" * 99 + "b",
            [f"from 99 on, of 100 and 100: {'x' * 20 + 'a'!r} instead of {'x' * 20 + 'b'!r}"],
        ),
        (b"ab", b"abc", ["from 2 on, of 2 and 3: b'ab' instead of b'abc'"]),
        (None, "", ["a NoneType instead of a str: None instead of ''"]),
    ],
)
def test_how_values_differ(actual: Any, expected: Any, phrases: list[str]) -> None:
    assert [*iter_differences(actual, expected, Tolerance())] == phrases
