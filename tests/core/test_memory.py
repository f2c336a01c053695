"""Constant memory: the value of one file at a time, and nothing that grows with their number."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, transform_directory
from tests.core.children import run_python
from tests.core.conftest import Run

PEAK = """
import resource, sys, threading
from pathlib import Path
from airflow_dirops.core import read_directory, transform_directory

here, count = Path(sys.argv[1]), int(sys.argv[2])
source = here / f"raw{count}"
source.mkdir()
for number in range(count):
    (source / f"{number}.bin").write_bytes(b"x" * 100)

def read(path):
    return Path(path).read_bytes() * 2

first = read_directory(source=source, target=here / f"first{count}", read=read, codec="bytes", durability="process")
for round in (1, 2):
    (source / "0.bin").write_bytes(b"x" * round)
    read_directory(source=source, target=here / f"first{count}", read=read, codec="bytes", durability="process")
transform_directory(source=first.to_dict(), target=here / f"second{count}", transform=bytes.upper, codec="bytes",
                    durability="process")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_peak_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    few, many = (int(run_python(PEAK, tmp_path, count).stdout) for count in (200, 5000))
    assert abs(many - few) < 10 * 1024, f"{few} KiB for 200 files, {many} KiB for 5,000"


SHARDED = """
import resource, sys
from pathlib import Path
from airflow_dirops.core import Stage, cut, gather, work_shard

here, count = Path(sys.argv[1]), int(sys.argv[2])
source = here / f"sharded{count}"
source.mkdir()
for number in range(count):
    (source / f"{number}.bin").write_bytes(b"x" * 100)

def read(path):
    return Path(path).read_bytes() * 2

stage = Stage(source=source, target=here / f"target{count}", read=read, codec="bytes", durability="process")
for round in (1, 2):
    (source / "0.bin").write_bytes(b"x" * round)
    planned = cut(stage, 5)
    gather(stage, planned, [work_shard(stage, shard) for shard in planned.shards])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_nor_does_that_of_shards_and_of_who_gathers_them(tmp_path: Path) -> None:
    few, many = (int(run_python(SHARDED, tmp_path, count).stdout) for count in (200, 5000))
    assert abs(many - few) < 10 * 1024, f"{few} KiB for 200 files, {many} KiB for 5,000"


class Counted:
    """A value that knows how many of it are alive."""

    alive = 0
    most = 0

    def __init__(self) -> None:
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self) -> None:
        Counted.alive -= 1


class CountedCodec:
    name, suffix = "counted", ".counted"

    def encode(self, value: Counted, file: Any) -> None:
        file.write(b"counted")

    def decode(self, file: Any) -> Counted:
        return Counted()


@pytest.fixture(autouse=True)
def count() -> Iterator[None]:
    gc.collect()
    gc.disable()  # what only a collection would free counts as alive
    Counted.alive = Counted.most = 0
    yield
    gc.enable()


def pairs(*keys: str) -> Iterator[tuple[str, Counted]]:
    for key in keys:
        yield key, Counted()


def one(path: str) -> Counted:
    return Counted()


def pair(path: str) -> tuple[str, Counted]:
    return path, Counted()


def many(path: str, key: str) -> Iterator[tuple[str, Counted]]:
    return pairs(f"{key}1", f"{key}2", f"{key}3")


def failing(path: str) -> Counted:
    value = Counted()
    if path.endswith("b.txt"):
        raise ValueError(value)
    return value


@pytest.mark.parametrize("read", [one, pair, many, failing])
def test_a_reader_never_meets_the_value_before(run: Run, read: Callable[..., Any]) -> None:
    run(read=read, codec=CountedCodec(), on_error="quarantine")
    assert (Counted.most, Counted.alive) == (1, 0)


def test_nor_do_refused_keys_keep_theirs(run: Run) -> None:
    with pytest.raises(errors.KeyRefused):
        run(read=lambda path: pairs("same", "../x"), codec=CountedCodec())
    assert Counted.most == 1


def test_a_transform_sees_its_input_and_makes_its_output(run: Run, target: Path, tmp_path: Path) -> None:
    run(read=one, codec=CountedCodec())
    Counted.alive = Counted.most = 0
    transform_directory(
        source=target,
        target=tmp_path / "x",
        transform=lambda value: Counted(),
        codec=CountedCodec(),
        source_codec=CountedCodec(),
    )
    assert (Counted.most, Counted.alive) == (2, 0)


def test_a_transform_to_many_holds_its_input_and_one_output(run: Run, target: Path, tmp_path: Path) -> None:
    run(read=one, codec=CountedCodec())
    Counted.alive = Counted.most = 0
    transform_directory(
        source=target,
        target=tmp_path / "x",
        transform=lambda value, key: pairs(f"{key}1", f"{key}2", f"{key}3"),
        codec=CountedCodec(),
        source_codec=CountedCodec(),
    )
    assert (Counted.most, Counted.alive) == (2, 0)


def test_a_reader_with_a_transform_holds_no_more(texts: Path, target: Path) -> None:
    transform_directory(
        source=texts,
        target=target,
        read=many,
        transform=lambda value: Counted(),
        codec=CountedCodec(),
    )
    assert (Counted.most, Counted.alive) == (2, 0)
