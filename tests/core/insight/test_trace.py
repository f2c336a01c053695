"""A file is followed back to the raw files that it was made of, and on to all that it became."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_dirops.core import (
    Partitions,
    TracedFile,
    accept_failures,
    errors,
    list_snapshots,
    read_directory,
    replace_failure,
    rollback,
    trace,
    trace_forward,
    transform_directory,
)
from airflow_dirops.core.format.entries import order_of
from airflow_dirops.core.format.lines import encode_line
from airflow_dirops.core.format.lists import FILES, FileLine
from airflow_dirops.core.snapshot.contents import find_line
from tests.text_files import read_text, write

DAY = "2026-11-01"


def read(root: Path, day: str = DAY, function: Any = read_text, **options: Any) -> None:
    read_directory(
        **{"stage": "read", "codec": "text", "partition": day, **options},
        source=root / "raw" / day,
        target=root / "interim" / day,
        read=function,
    )


def raise_up(root: Path, day: str = DAY, **options: Any) -> None:
    transform_directory(
        **{"transform": str.upper, "stage": "upper", "codec": "text", "partition": day, **options},
        source=root / "interim" / day,
        target=root / "final" / day,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    write(root / "raw" / DAY, a="a", b="b")
    read(root, version="7", run="monday")
    raise_up(root)
    return root


def paths(traced: TracedFile, way: str) -> list[Any]:
    """The path of a file, and in the same way what it was made of or became."""
    return [traced.path, traced.state, *(paths(each, way) for each in getattr(traced, way))]


def test_back_to_the_raw_file_with_what_made_each(data: Path) -> None:
    traced = trace(data / "final" / DAY / "a.txt")
    raw = [f"{data}/raw/{DAY}/a.txt", "raw"]
    assert paths(traced, "inputs") == [
        f"{data}/final/{DAY}/a.txt",
        "made",
        [f"{data}/interim/{DAY}/a.txt", "made", raw],
    ]
    assert traced.is_sound
    made = traced.inputs[0].made_by
    assert made
    assert (made.stage, made.run_id, made.function, made.version, made.partition) == (
        "read",
        "monday",
        "read_text",
        "7",
        DAY,
    )
    assert made.fingerprint
    assert made.fingerprint.startswith("sha256:")
    assert (traced.size, traced.inputs[0].inputs[0].size) == (1, 1)


def test_on_to_all_that_a_raw_file_became(data: Path) -> None:
    traced = trace_forward(data / "raw" / DAY / "a.txt", data)
    assert paths(traced, "outputs") == [
        f"{data}/raw/{DAY}/a.txt",
        "raw",
        [f"{data}/interim/{DAY}/a.txt", "made", [f"{data}/final/{DAY}/a.txt", "made"]],
    ]
    (data / "raw" / DAY / "a.txt").unlink()
    assert paths(trace_forward(data / "raw" / DAY / "a.txt", data), "outputs")[1] == "gone"
    assert trace_forward(data / "raw" / DAY / "a.txt", data).outputs


def test_what_was_read_is_looked_up_in_the_snapshot_that_was_read(data: Path) -> None:
    write(data / "raw" / DAY, a="other")
    read(data)
    traced = trace(data / "final" / DAY / "a.txt")
    assert traced.inputs[0].state == "made"
    assert traced.inputs[0].size == 1
    assert traced.inputs[0].inputs[0].state == "changed"
    assert not traced.is_sound
    forward = trace_forward(data / "raw" / DAY / "a.txt", data)
    assert forward.outputs[0].outputs[0].detail == "it was made from other bytes than the file has now"
    shutil.rmtree(data / "interim/.dirops" / DAY / "retired")
    traced = trace(data / "final" / DAY / "a.txt")
    assert traced.inputs[0].state == "changed"
    assert "no longer kept" in traced.inputs[0].detail
    assert trace(data / "final" / DAY / "b.txt").is_sound  # the same bytes are in the snapshot that is there now


def test_a_file_of_a_snapshot_that_was_replaced(data: Path) -> None:
    write(data / "raw" / DAY, c="c")
    read(data)
    old = next(kept for kept in list_snapshots(data / "interim" / DAY) if not kept.is_current)
    traced = trace(Path(old.name) / "a.txt")
    assert traced.made_by
    assert traced.made_by.snapshot == old.manifest.snapshot
    assert traced.made_by.target == f"{data}/interim/{DAY}"
    assert traced.inputs[0].path == f"{data}/raw/{DAY}/a.txt"
    rollback(data / "interim" / DAY)
    back = trace(data / "interim" / DAY / "a.txt").made_by
    assert back
    assert back.brought_back_by
    assert back.brought_back_by.startswith("rollback by ")


def test_what_gave_nothing_and_what_failed(data: Path) -> None:
    def some(path: str) -> str | None:
        if path.endswith("a.txt"):
            raise ValueError("no " + 10_000 * "x")
        return None if path.endswith("b.txt") else "made"

    write(data / "raw" / DAY, c="c")
    read(data, function=some, on_error="quarantine", max_failures=2)
    outputs = {name: trace_forward(data / "raw" / DAY / name, data).outputs for name in ("a.txt", "b.txt", "c.txt")}
    assert [outputs[name][0].state for name in outputs] == ["quarantined", "skipped", "made"]
    assert outputs["a.txt"][0].detail.startswith("ValueError: no xxx")
    assert len(outputs["a.txt"][0].detail) < 5_000


def test_what_a_person_decided_is_a_part_of_the_trace(data: Path) -> None:
    def refuse(path: str) -> str:
        raise ValueError(path)

    read(data, function=refuse, on_error="quarantine", max_failures="100%", version="8")
    accept_failures(data / "interim" / DAY, ["a.txt"], reason="the camera was off")
    write(data, by_hand="by hand")
    replace_failure(data / "interim" / DAY, "b.txt", data / "by_hand.txt", reason="from paper")
    read(data, function=refuse, on_error="quarantine", max_failures="100%", version="8")
    (output,) = trace_forward(data / "raw" / DAY / "a.txt", data).outputs
    assert output.state == "skipped"
    assert output.detail.endswith(" let it be skipped: the camera was off")
    traced = trace(data / "interim" / DAY / "b.txt")
    assert (traced.state, traced.detail.endswith(": from paper")) == ("made", True)


def test_joins_pieces_and_roll_ups(data: Path) -> None:
    write(data / "raw/masks", a="mask")
    read_directory(source=data / "raw/masks", target=data / "masks", read=read_text, codec="text", stage="masks")

    def cut(text: str, mask: str, key: str) -> Iterator[tuple[str, str]]:
        yield f"{key}/one", text
        yield f"{key}/two", mask

    transform_directory(
        source=[data / "interim" / DAY, data / "masks"],
        target=data / "pieces" / DAY,
        transform=cut,
        join="inner",
        codec="text",
        stage="pieces",
        partition=DAY,
    )
    transform_directory(
        source=Partitions(data / "pieces/{partition}", (DAY,)),
        target=data / "week",
        aggregate=lambda records: str(len([*records])),
        codec="text",
        stage="week",
    )
    back = trace(data / "week/aggregate.txt")
    assert back.of_all == 2
    assert [each.path for each in back.inputs] == [f"{data}/pieces/{DAY}/a/{name}.txt" for name in ("one", "two")]
    assert [each.path for each in back.inputs[0].inputs] == [f"{data}/interim/{DAY}/a.txt", f"{data}/masks/a.txt"]
    assert back.is_sound
    on = trace_forward(data / "raw/masks/a.txt", data)
    pieces = on.outputs[0].outputs
    assert [each.path for each in pieces] == [f"{data}/pieces/{DAY}/a/{name}.txt" for name in ("one", "two")]
    assert [each.path for each in pieces[0].outputs] == [f"{data}/week/aggregate.txt"]


def test_what_is_gone_was_changed_or_never_made_is_told(data: Path) -> None:
    final = data / "final" / DAY
    os.chmod(final, 0o755)
    (final / "a.txt").unlink()
    assert trace(final / "a.txt").state == "gone"
    (final / "stray.txt").write_text("x")
    assert trace(final / "stray.txt").state == "unlisted"
    os.chmod(final / "b.txt", 0o644)
    (final / "b.txt").write_text("longer")
    assert trace(final / "b.txt").state == "changed"
    with pytest.raises(errors.SourceMissing, match="does not list it"):
        trace(final / "nothing.txt")
    with pytest.raises(errors.SourceMissing, match="there is no file"):
        trace(data / "nowhere/a.txt")
    with pytest.raises(errors.SourceMissing, match="was made of it"):
        trace_forward(data / "nowhere/a.txt", data)
    with pytest.raises(errors.ArgumentRefused):
        trace(final / "_dirops/manifest.json")


def test_stages_that_read_each_other_end(tmp_path: Path) -> None:
    write(tmp_path / "raw", a="a")
    one, other = tmp_path / "one", tmp_path / "other"
    read_directory(source=tmp_path / "raw", target=one, read=read_text, codec="text", stage="one")
    for _ in range(3):
        transform_directory(source=one, target=other, transform=str.upper, codec="text", stage="other")
        transform_directory(
            source=other, target=one, transform=str.lower, codec="text", stage="one", redo="all", version=None
        )
    assert trace(one / "a.txt").path == f"{one}/a.txt"
    assert len(paths(trace_forward(one / "a.txt", tmp_path), "outputs")) == 3


def test_many_inputs_are_counted_and_the_first_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "raw", **{f"f{number:03}": str(number) for number in range(100)})
    read_directory(source=tmp_path / "raw", target=tmp_path / "all", read=read_text, codec="text", stage="all")
    transform_directory(
        source=tmp_path / "all",
        target=tmp_path / "sum",
        aggregate=lambda records: str(len([*records])),
        codec="text",
        stage="sum",
    )
    traced = trace(tmp_path / "sum/aggregate.txt", most=5)
    assert (len(traced.inputs), traced.more, traced.of_all) == (5, 95, 100)
    assert trace(tmp_path / "sum/aggregate.txt", most_files=7).more > 90


class ListOf:
    """A snapshot that has a list and nothing else."""

    name = "memory"

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, path: str) -> Any:
        assert path == "_dirops/files.jsonl"
        return open(self._path, "rb")


@settings(max_examples=200, deadline=None)
@given(names=st.sets(st.text("ab./é", min_size=1, max_size=12).map(lambda name: f"x{name}x.txt"), max_size=40))
def test_a_line_is_found_among_any_others(names: set[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    names = {name for name in names if "//" not in name and "/./" not in name and "/../" not in name}
    lines = [FileLine(name, len(name), "0" * 64, ()) for name in sorted(names, key=order_of)]
    path = tmp_path_factory.mktemp("list", numbered=True) / "files.jsonl"
    path.write_bytes(b"".join(encode_line(line) + b"\n" for line in lines))
    held: Any = ListOf(path)
    assert [find_line(held, FILES, line.path) for line in lines] == lines
    assert find_line(held, FILES, "zzz.txt") is None
    assert find_line(held, FILES, "a.txt") is None
