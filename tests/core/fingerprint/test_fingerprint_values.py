"""Which values agree and which differ, in this process and in others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import OrderedDict, defaultdict, deque
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from airflow_dirops.core.fingerprint import fingerprint as code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def fingerprint(function: Any, **options: Any) -> str:
    return code_of(function, **options).fingerprint


SUBPROCESS = """
import importlib.util, sys
from airflow_dirops.core.fingerprint import fingerprint
name, file = sys.argv[1:]
spec = importlib.util.spec_from_file_location(name, file)
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
spec.loader.exec_module(module)
print(fingerprint(module.read, codec="npy").fingerprint)
"""


STEADY = """
import collections, datetime, decimal, functools, itertools, logging, os, pathlib, queue, random, re, sys
import threading
import numpy as np

class Reader:
    def __init__(self):
        self.lock, self.names, self.me = threading.Lock(), {"x", "y", "z", "w"}, self

    def __call__(self, path):
        return path

HERE = pathlib.Path(__file__).parent / "mask.png"
VALUES = [
    {"a", "b", "c", ("d", 1)}, frozenset("abcdef"), {k: 1 for k in {"p", "q", "r"}}, lambda x: {"a", "b"},
    __name__, __file__, HERE, os.path.join(os.path.dirname(__file__), "masks"), Reader(), Reader,
    functools.partial(print, sep={"a", "b"}), functools.lru_cache(len), len, str.upper, "a".join, sys, np,
    re.compile("a+"), decimal.Decimal("1.5"), datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc),
    collections.Counter("hello"), float("nan"), memoryview(b"abc"), ..., object(), itertools.count(),
    iter([1]), (i for i in ()), threading.Lock(), threading.local(), queue.Queue(), open(__file__),
    logging.getLogger(__name__), random.Random(), random.random, np.random.default_rng(), np.random.rand,
    os.environ, np.add, np.sum, np.float32(1), np.arange(12).reshape(3, 4)[:, 1:],
    np.array([{"a", "b"}, None], dtype=object), 10**5000,
]
VALUES.append(VALUES)

def odd(n): return n and even(n - 1)
def even(n): return n == 0 or odd(n - 1)
CIRCLE = {"odd": odd, "even": even}, {odd, even}

def read(path):
    return path in {"a", "b", "c"}, VALUES, odd(path), even(path), CIRCLE
"""


def in_new_process(file: Path, name: str, seed: int) -> str:
    environment = os.environ | {"PYTHONHASHSEED": str(seed), "SOME_VARIABLE": name}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SUBPROCESS, name, str(file)],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_other_processes_seeds_names_and_folders_agree(tmp_path: Path) -> None:
    found = set()
    for seed, folder in enumerate(("one", "other/deep")):
        file = tmp_path / folder / "my_dag.py"
        file.parent.mkdir(parents=True)
        file.write_text(STEADY, encoding="utf-8")
        found |= {in_new_process(file, f"unusual_prefix_{folder[0]}{seed}_{n}", seed + n) for n in range(3)}
    assert len(found) == 1


class Colour(Enum):
    RED = 1
    BLUE = 2


PAIRS: Mapping[str, tuple[object, object]] = {
    "array": (np.arange(4), np.arange(4)[::-1]),
    "array type": (np.zeros(2, "f4"), np.zeros(2, "f8")),
    "array shape": (np.zeros((2, 3)), np.zeros((3, 2))),
    "ufunc": (np.add, np.subtract),
    "builtin": (len, abs),
    "distribution's function": (np.sum, np.prod),
    "path": (Path("/a"), Path("/b")),
    "path and text": (Path("/a"), "/a"),
    "list and tuple": ([1], (1,)),
    "nested lists": ([[1], 2], [[1, 2]]),
    "true and one": (True, 1),
    "signed zero": (0.0, -0.0),
    "bytes": (b"a", b"b"),
    "members of an enum": (Colour.RED, Colour.BLUE),
    "deque": (deque([1]), deque([2])),
    "order of an ordered dict": (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
    "default dict": (defaultdict(int, a=1), defaultdict(int, a=2)),
    "regex": (re.compile("a"), re.compile("a", re.IGNORECASE)),
    "method of a value": ("a".join, "b".join),
    "types of opaque objects": (threading.Lock(), threading.local()),
    "unpaired surrogate": ("\ud800", "\ud801"),
}


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_different_values_differ(one: object, other: object) -> None:
    def holding(value: object) -> Callable[[str], object]:
        return lambda path: (path, value)

    assert fingerprint(holding(one), codec="npy") != fingerprint(holding(other), codec="npy")


def test_equal_values_agree() -> None:
    def holding(value: object) -> Callable[[str], object]:
        return lambda path: (path, value)

    one, other = holding([{"b": 1, "a": {3, 2}}, np.ones(3)]), holding([{"a": {2, 3}, "b": 1}, np.ones(3)])
    assert fingerprint(one, codec="npy") == fingerprint(other, codec="npy")


@pytest.mark.parametrize("depth", [10, 5000])
def test_deep_values_end(depth: int) -> None:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    assert fingerprint(lambda x: (x, deep), codec="npy")


class Hostile:
    def __reduce_ex__(self, protocol: object) -> Any:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = None  # type: ignore[assignment]


def test_objects_that_refuse_everything_count_by_their_type() -> None:
    assert fingerprint(partial(print, Hostile()), codec="npy") == fingerprint(partial(print, Hostile()), codec="npy")


def test_codec_params_and_version_count() -> None:
    def read(path: str) -> str:
        return path

    variants = [
        fingerprint(read, codec="npy"),
        fingerprint(read, codec="npz"),
        fingerprint(read, codec="npy", params={"a": 1}),
        fingerprint(read, codec="npy", params={"a": 2}),
        fingerprint(read, codec="npy", params={"b": 1}),
        fingerprint(read, codec="npy", version="1"),
        fingerprint(read, codec="npy", version="2"),
        fingerprint(read, codec="npz", version="2"),
        fingerprint(read, codec="npz", version="2", params={"a": 1}),
    ]
    assert len(set(variants)) == len(variants)
    assert all(each.startswith("sha256:") and len(each) == 7 + 64 for each in variants)
    assert fingerprint(read, codec="npy", params={}) == fingerprint(read, codec="npy")


def test_the_order_of_params_does_not_count() -> None:
    one = fingerprint(len, codec="npy", params={"a": 1, "b": {"c": 2, "d": 3}})
    assert one == fingerprint(len, codec="npy", params={"b": {"d": 3, "c": 2}, "a": 1})


def test_a_version_stands_for_the_code() -> None:
    assert fingerprint(len, codec="npy", version="1") == fingerprint(abs, codec="npy", version="1")
