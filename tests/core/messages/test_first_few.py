"""The first few of many, and how many more: one phrase, whatever is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dirops.core.errors import InputError
from airflow_dirops.core.messages.first_few import FirstFew, first_few


@pytest.mark.parametrize(
    ("names", "phrase"),
    [
        ([], ""),
        (["a"], "'a'"),
        (["a", "b"], "'a', 'b'"),
        (["a", "b", "c"], "'a', 'b' and 1 more"),
        (["a", "b", *"c" * 2_000], "'a', 'b' and 2,000 more"),
    ],
)
def test_a_phrase_says_how_many_more_there_are(names: list[str], phrase: str) -> None:
    assert first_few(names, 2, repr).phrase() == phrase


@given(st.lists(st.text()), st.integers(0, 10))
def test_nothing_is_lost_between_what_is_told_and_what_is_counted(names: list[str], most: int) -> None:
    few = FirstFew[str](most)
    were_kept = [few.add(name) for name in iter(names)]

    assert few.count == len(names)
    assert few.kept == names[:most] == [name for name, kept in zip(names, were_kept, strict=True) if kept]
    rest = len(names) - len(few.kept)
    assert few.findings() == [*names[:most], *([f"and {rest} more"] if rest else [])]


def test_an_error_takes_any_number_of_findings_and_makes_texts_of_the_first_only() -> None:
    error = InputError("wrong", (f"finding {number}" for number in range(100_000)))

    assert error.findings[-1] == "and 99,950 more"
    assert str(error).endswith("finding 49\n  - and 99,950 more")
