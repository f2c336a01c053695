"""The short cuts that every path of a source and of a manifest takes, against the long way."""

from __future__ import annotations

import os
import posixpath

from hypothesis import example, given
from hypothesis import strategies as st

from airflow_dirops.core.format.entries import MAX_NAME_BYTES, RESERVED, key_of, order_of, path_at, path_problem

# Few letters, so that dots and slashes meet; and names whose bytes are not UTF-8.
PATHS = st.text("a.b/_- \n\udce9é", max_size=12) | st.sampled_from(sorted(RESERVED)).map(lambda name: f"a/{name}")


@given(PATHS)
def test_a_key_is_the_path_without_its_last_suffix(path: str) -> None:
    assert key_of(path) == posixpath.splitext(path)[0]


@given(st.lists(PATHS, unique=True))
def test_paths_are_in_the_order_of_the_bytes_of_their_keys(paths: list[str]) -> None:
    by_bytes = sorted(paths, key=lambda path: (os.fsencode(posixpath.splitext(path)[0]), os.fsencode(path)))
    assert sorted(paths, key=order_of) == by_bytes
    assert [path_at(order_of(path)) for path in paths] == paths


@given(PATHS)
@example("a" * MAX_NAME_BYTES)
@example("a" * (MAX_NAME_BYTES + 1))
@example("a/" * 300 + "a")
def test_a_path_is_refused_for_its_parts(path: str) -> None:
    parts = path.split("/")
    is_fine = len(parts) <= 255 and all(
        part not in ("", ".", "..", *RESERVED) and len(os.fsencode(part)) <= MAX_NAME_BYTES for part in parts
    )
    assert (path_problem(path) is None) == is_fine
