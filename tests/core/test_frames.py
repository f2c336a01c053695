"""Frames come out as they went in, however they were cut on their way."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dirops.core import errors
from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.frames import frame, read_frames, take_frames

CONTENTS = st.lists(st.binary(max_size=300))


@given(CONTENTS, st.integers(1, 500))
def test_of_a_stream_in_pieces(contents: list[bytes], size: int) -> None:
    stream = b"".join(map(frame, contents))
    received, taken = bytearray(), []
    for begin in range(0, len(stream), size):
        received += stream[begin : begin + size]
        taken += take_frames(received)
    assert taken == contents
    assert not received


@given(CONTENTS)
def test_of_a_file(contents: list[bytes]) -> None:
    assert list(read_frames(io.BytesIO(b"".join(map(frame, contents))))) == contents


def test_a_length_that_is_not_true_asks_for_no_more_memory_than_allowed() -> None:
    assert next(read_frames(io.BytesIO(b"\xff" * 4 + b"x" * 9), 5)) == b"xxxxx"


@pytest.mark.parametrize("at", ["first length", "later length", "content", "cut", "longer"])
def test_a_sorted_run_that_somebody_wrote_to_is_noticed(tmp_path: Path, at: str) -> None:
    sorter = Sorter(tmp_path / "spill", "names", max_in_memory=20_000)
    for number in range(500):
        sorter.add(b"%06d" % number, b"line")
    assert [key for key, _ in sorter] == [b"%06d" % number for number in range(500)]
    (path, *_) = sorted((tmp_path / "spill").iterdir())
    content = bytearray(path.read_bytes())
    second = len(frame(next(read_frames(io.BytesIO(content)))))
    if at == "cut":
        del content[-3:]
    elif at == "longer":
        content += b"\x00"
    else:
        content[{"first length": 0, "later length": second, "content": 12}[at]] ^= 1
    path.write_bytes(content)

    with pytest.raises(errors.StagingChanged):
        list(sorter)
