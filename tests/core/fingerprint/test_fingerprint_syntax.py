"""The text of a function: from the source that it was compiled from, or from its bytecode."""

from __future__ import annotations

import importlib.util
import sys
from textwrap import dedent
from types import FunctionType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from airflow_dirops.core.fingerprint import fingerprint as code_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType


def fingerprint(function: Any, **options: Any) -> str:
    return code_of(function, **options).fingerprint


def load(folder: Path, source: str) -> ModuleType:
    """Import a source as Airflow imports a DAG file: under a name that no other process knows."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "my_dag.py"
    file.write_text(dedent(source), encoding="utf-8")
    name = f"unusual_prefix_{uuid4().hex}_my_dag"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def fingerprint_of(folder: Path, source: str) -> str:
    return fingerprint(load(folder, source).read, codec="npy")


def execute(source: str, name: str = "__main__") -> Callable[..., object]:
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(source, "<no such file>", "exec"), namespace)
    read = namespace["read"]
    assert isinstance(read, FunctionType)
    return read


WITHOUT_SOURCE = """
def scale(x):
    return x * 2
def read(path):
    "Read."
    chosen = {"a", "b", "c"}
    return [scale(y) for y in path if y in {"d", "e"}], chosen, lambda z: z + 1
"""


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ('"Read."', '"Read it."', False),
        ('"Read."', "", False),
        ("\n", "\n\n", False),
        ("chosen", "picked", False),
        ("x * 2", "x * 3", True),
        ('"e"', '"f"', True),
        ("z + 1", "z + 2", True),
    ],
)
def test_code_without_source(old: str, new: str, changes: bool) -> None:
    before, after = execute(WITHOUT_SOURCE), execute(WITHOUT_SOURCE.replace(old, new), "elsewhere")
    assert (fingerprint(before, codec="npy") != fingerprint(after, codec="npy")) is changes


def test_two_lambdas_on_one_line_differ() -> None:
    first, second = (lambda x: x[0]), (lambda x: x[1])
    assert fingerprint(first, codec="npy") != fingerprint(second, codec="npy")


def test_the_code_that_runs_counts_not_the_file_as_it_is_now(tmp_path: Path) -> None:
    old, new = "def read(x):\n    return x + 1\n", "def read(x):\n    return x + 2\n"
    loaded = load(tmp_path / "a", old).read
    (tmp_path / "a/my_dag.py").write_text(new, encoding="utf-8")
    edited_since = fingerprint(loaded, codec="npy")
    assert edited_since != fingerprint_of(tmp_path / "b", new)


def test_a_file_that_is_imported_again_is_read_again(tmp_path: Path) -> None:
    old, new = "def read(x):\n    return x + 1\n", "def read(x):\n    # why\n    return 1 + x\n"
    fingerprint_of(tmp_path / "a", old)
    assert fingerprint_of(tmp_path / "a", new) == fingerprint_of(tmp_path / "b", new.replace("# why", ""))


def test_a_file_whose_lines_moved_since_import_is_still_recognised(tmp_path: Path) -> None:
    source = "def read(x):\n    return x + 1\n"
    loaded = load(tmp_path / "a", source).read
    before = fingerprint(loaded, codec="npy")
    (tmp_path / "a/my_dag.py").write_text(f"import os\n\n\n{source}", encoding="utf-8")
    assert fingerprint(loaded, codec="npy") == before


def test_functions_that_call_each_other(tmp_path: Path) -> None:
    source = "def odd(n): return n and even(n - 1)\ndef even(n): return n == 0 or odd(n - 1)\nread = even\n"
    before = fingerprint_of(tmp_path / "a", source)
    assert fingerprint_of(tmp_path / "b", source) == before
    assert fingerprint_of(tmp_path / "c", source.replace("n and", "n > 0 and")) != before
