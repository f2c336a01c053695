"""A child that the user's function forks and that comes back from it is no second stage."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core.upkeep import verify
from tests.core.children import run_python
from tests.core.directories import control_of, orphans_of, write_texts

STAGE = """
import json, os, sys, time
from pathlib import Path
from airflow_dirops.core import read_directory, transform_directory

here, where, ending, options = Path(sys.argv[1]), sys.argv[2], sys.argv[3], json.loads(sys.argv[4])

def note(path):
    with open(here / "calls", "a") as calls:
        calls.write(f"{os.path.basename(path)}\\n")

def fork(place, text):
    "In one place, on one file."
    if place != where or "4" not in text or os.fork():
        return
    (here / f"child-{os.getpid()}").touch()
    if ending == "late":
        time.sleep(1)
    if ending == "raises":
        raise ValueError("in the child")
    if ending == "exits":
        sys.exit(3)

def read(path):
    note(path)
    text = Path(path).read_text()
    fork("read", text)
    return text

def read_many(path):
    note(path)
    text = Path(path).read_text()
    yield "one/" + text, text
    fork("read, between two records", text)
    yield "two/" + text, text
    fork("read, after its last record", text)

def transform(text):
    fork("transform", text)
    return text

def batch(texts):
    for text in texts:
        fork("a batch", text)
    return texts

def lazy_batch(texts):
    for text in texts:
        fork("a lazy batch", text)
        yield text

def aggregate(records):
    for record in records:
        fork("aggregate", record.value)
        yield record.key, record.value

def joined(text, other):
    return text

class Text:
    name, suffix = "text-that-forks", ".txt"
    def encode(self, value, file):
        file.write(value.encode())
        fork("encode", value)
    def decode(self, file):
        text = file.read().decode()
        fork("decode", text)
        return text

def progress(_):
    fork("on_progress", "4")

codec, target = Text(), here / "out/target"
run, functions = read_directory, {"read": read}
if where.startswith("read,"):
    functions = {"read": read_many}
elif where == "transform":
    run, functions = transform_directory, {"read": read, "transform": transform}
elif where == "a batch":
    run, functions = transform_directory, {"read": read, "transform": batch, "batch_size": 3}
elif where == "a lazy batch":
    run, functions = transform_directory, {"read": read, "transform": lazy_batch, "batch_size": 3}
elif where == "aggregate":
    run, functions = transform_directory, {"read": read, "aggregate": aggregate}
source = here / "texts"
if where == "a joined source":
    where, run, source = "read", transform_directory, [source, source]
    functions = {"read": read, "transform": joined, "join": "inner"}
if where == "decode":
    read_directory(source=source, target=here / "first", read=read, codec=codec)
    run, source, functions = transform_directory, here / "first", {"transform": transform, "source_codec": codec}
if where == "on_progress":
    functions["on_progress"] = progress
outcome = run(source=source, target=target, codec=codec, stage="copy", version="1", **functions, **options)
print(outcome.outcome, json.dumps(outcome.counts))
"""

PLACES = {
    "read": 1,
    "read, between two records": 1,
    "read, after its last record": 1,
    "transform": 1,
    "a joined source": 2,
    "a batch": 1,
    "a lazy batch": 1,
    "aggregate": 1,
    "encode": 1,
    "decode": 1,
    "on_progress": 1,
}
FILES = 10


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "stage.py").write_text(STAGE)
    write_texts(tmp_path / "texts", **{f"t{number}": f"text {number}" for number in range(FILES)})
    return tmp_path


def check(here: Path, where: str, ending: str, **options: Any) -> None:
    done = run_python(here / "stage.py", here, where, ending, json.dumps(options))
    (outcome,) = done.stdout.splitlines()  # said by one process
    outcome, counts = outcome.split(" ", 1)
    expected = {f"one/text {n}" for n in range(FILES)} | {f"two/text {n}" for n in range(FILES)}
    assert outcome == "committed"
    assert json.loads(counts)["quarantined"] == 0
    target = here / "out/target"
    assert {str(path.relative_to(target).with_suffix("")) for path in target.rglob("*.txt")} == (
        expected if where.startswith("read,") else {f"t{n}" for n in range(FILES)}
    )
    assert sorted((here / "calls").read_text().split()) == sorted([f"t{n}.txt" for n in range(FILES)] * PLACES[where])
    children = [int(path.name.removeprefix("child-")) for path in here.glob("child-*")]
    wait_for_the_end_of(children)
    if options["workers"] == 1 and ending != "late":  # a worker's are killed with it
        assert children
        for child in children:
            assert f"process {child} was forked in a function of a stage and came back from it" in done.stderr
        assert ("in the child" in done.stderr) == (ending == "raises")
    assert not verify(target, deep=True).findings
    assert orphans_of(target) == []
    assert not list(control_of(target).glob("retired/*"))


def wait_for_the_end_of(processes: list[int]) -> None:
    while any(os.path.exists(f"/proc/{process}") for process in processes):
        time.sleep(0.02)


@pytest.mark.parametrize("where", PLACES)
def test_a_child_that_comes_back_ends(here: Path, where: str) -> None:
    check(here, where, "returns", workers=1)


@pytest.mark.parametrize(
    ("where", "ending"),
    [
        *((where, "raises") for where in ("read, between two records", "a batch", "encode")),
        *((where, ending) for where in ("read", "aggregate") for ending in ("exits", "late")),
    ],
)
def test_however_and_whenever_it_does(here: Path, where: str, ending: str) -> None:
    check(here, where, ending, workers=1)


@pytest.mark.parametrize(
    ("where", "ending"),
    [
        *(("read", ending) for ending in ("returns", "exits", "late")),
        *((where, "returns") for where in ("read, between two records", "a batch", "encode")),
    ],
)
def test_also_one_of_a_worker(here: Path, where: str, ending: str) -> None:
    check(here, where, ending, workers=2)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("where", ["read", "transform"])
def test_also_where_files_may_be_set_aside(here: Path, where: str, workers: int) -> None:
    check(here, where, "raises", workers=workers, on_error="quarantine", durability="process")
