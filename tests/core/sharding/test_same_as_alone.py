"""Whatever the tree, the failures and the reruns: shards leave what the stage alone leaves, byte for byte."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from airflow_dirops.core import Outcome, Stage
from airflow_dirops.core.api import run
from airflow_dirops.core.errors import DiropsError
from tests.core.sharding.sharded import attempts_left, contents, run_sharded

SHARDS = (1, 2, 7, 64)
MEMORY = Path("/dev/shm")

NAMES = st.sampled_from([f"{folder}{name}" for folder in ("", "a/", "b/", "a/c/") for name in ("0", "1", "2", "3 é")])
SUFFIXES = st.sampled_from([".txt", ".raw", ".png"])
PATHS = st.builds(lambda name, suffix: name + suffix, NAMES, SUFFIXES)
# What a file gives: a value, nothing, an error, two values, one under a key that others give too, a crowd.
KINDS = st.sampled_from(["value", "value", "value", "skip", "fail", "two", "same", "crowd"])
TREES = st.dictionaries(PATHS, KINDS, max_size=14)


def read(path: str, *, key: str) -> Any:
    content = Path(path).read_text()
    kind = content.partition(" ")[0]
    if kind == "fail":
        raise ValueError(f"{key} cannot be read")
    if kind == "skip":
        return None
    return content.encode() if kind == "value" else several(kind, key, content)


def several(kind: str, key: str, content: str) -> Iterator[tuple[str, bytes]]:
    names = {"two": (f"{key}/0", f"{key}/1"), "same": ("same",), "crowd": (f"{9 - len(key)}/{key}", f"zz/{key}", key)}
    for name in names[kind]:
        yield name, content.encode()


def write(raw: Path, tree: dict[str, str]) -> None:
    """Make a directory hold these files and no others; what stays as it was keeps its time."""
    for path in [path for path in raw.rglob("*") if path.is_file()]:
        if str(path.relative_to(raw)) not in tree:
            path.unlink()
    for name, kind in tree.items():
        path = raw / name
        content = f"{kind} {name}"
        if not path.exists() or path.read_text() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


def end_of(call: Callable[[], Outcome]) -> tuple[Any, ...]:
    """How a run ended, as far as it must be the same."""
    try:
        outcome = call()
    except DiropsError as error:
        return (error.kind,)
    return outcome.outcome, outcome.counts, outcome.digest, outcome.bytes


def _stage(source: Path, target: Path, **options: Any) -> Stage:
    return Stage(source=source, target=target, read=read, codec="bytes", stage="s", durability="process", **options)


@pytest.fixture(scope="module")
def quick() -> Iterator[Path]:
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="dirops-", dir=place) as directory:
        yield Path(directory)


@pytest.mark.timeout(600)
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    trees=st.lists(TREES, min_size=1, max_size=3),
    shards=st.sampled_from(SHARDS),
    on_error=st.sampled_from(["fail", "quarantine"]),
    max_failures=st.sampled_from([None, 1, "50%"]),
    empty=st.sampled_from(["fail", "skip", "commit"]),
    more=st.sampled_from([{}, {}, {"limit": 5}, {"redo": "all"}, {"file_retries": 1}, {"workers": 2}]),
)
def test_shards_leave_what_the_stage_alone_leaves(
    quick: Path, trees: Any, shards: int, more: Any, **options: Any
) -> None:
    if options["on_error"] == "fail":
        options["max_failures"] = None
    with tempfile.TemporaryDirectory(dir=quick) as here:
        raw, alone, together = Path(here, "raw"), Path(here, "alone"), Path(here, "together")
        raw.mkdir()
        failed = 0
        for tree in trees:
            write(raw, tree)
            stages = (_stage(raw, target, **more, **options) for target in (alone, together))
            wanted = end_of(partial(run, next(stages)))
            ended = end_of(partial(run_sharded, next(stages), shards))
            # Of several things that are wrong another one may be met first.
            assert ended == wanted or len(ended) == len(wanted) == 1
            assert alone.exists() == together.exists()
            if alone.exists():
                assert contents(together) == contents(alone)
            # A run that failed may be gone on with for a week.
            failed += len(wanted) == 1
            if not failed:
                assert attempts_left(together) == []
