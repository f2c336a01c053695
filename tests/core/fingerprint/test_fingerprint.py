"""Which changes to a user's code count, and which do not: each case is two versions of real module files."""

from __future__ import annotations

import importlib.util
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from airflow_dirops.core.fingerprint import fingerprint

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


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
    return fingerprint(load(folder, source).read, codec="npy").fingerprint


def case(name: str, before: str, after: str, *, changes: bool) -> Any:
    return pytest.param(before, after, changes, id=name)


def edit(name: str, source: str, old: str, new: str, *, changes: bool) -> Any:
    assert old in source, name
    return case(name, source, source.replace(old, new), changes=changes)


PLAIN = '''
import threading

LIMIT = 3
TABLE = {"red": {1, 2}, "blue": [0.5]}

def scale(x):
    return x * LIMIT

def twice(x):
    return scale(scale(x))

def unrelated(x):
    return x - 1

def read(path, factor=2, *, offset=0):
    """Read one image."""
    # a comment
    pixels = twice(len(path)) * factor + offset
    return pixels, TABLE["red"]
'''

DECORATED = """
import functools

def cropped(size):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(path):
            return function(path)[:size]
        return wrapper
    return decorate

@cropped(4)
def read(path):
    return path
"""

CLOSURE = """
def make(channel):
    def read(path):
        return path[channel]
    return read

read = make(0)
"""

PARTIAL = """
import functools

def whole(path, channel, gain=1):
    return path[channel] * gain

read = functools.partial(whole, channel=0)
"""

OBJECT = """
class Base:
    def shift(self, x):
        return x + 1

class Reader(Base):
    scale = 2
    def __init__(self, channel):
        self.channel = channel
        self.parent = self
    @property
    def gain(self):
        return 5
    @staticmethod
    def clip(x):
        return max(x, 0)
    @classmethod
    def make(cls, channel):
        return cls(channel)
    def __call__(self, path):
        "Read."
        return super().shift(self.clip(len(path))) * self.gain

read = Reader.make(0)
"""

METHOD = OBJECT + "\nread = Reader(7).__call__\n"

FIELDS = """
import dataclasses, enum

class Mode(enum.Enum):
    RED = 1
    BLUE = 2

@dataclasses.dataclass(frozen=True)
class Row:
    size: int = 1
    tags: list = dataclasses.field(default_factory=list)

ROW = Row(size=2)

def read(path):
    return Row(size=Mode.RED.value), ROW
"""

NESTED = """
import contextlib, functools, logging

log = logging.getLogger("one")

class Shape:
    size: int

@functools.lru_cache
def cached(x):
    return x + 1

@functools.singledispatch
def general(x):
    return x

@general.register
def _(x: int):
    return x * 2

@contextlib.contextmanager
def opened(x):
    yield x * 3

def read(path):
    class Row:
        field: int = 0
    def inner(x: int) -> int:
        log.info(x)
        return cached(x) + general(x)
    with opened(path) as found:
        return inner(found), Row, Shape
"""

LAMBDAS = "pick = lambda x: x[0]; read = lambda x: x[1]; other = lambda x: lambda y: y[2]\n"

# Black's layout of this gives other bytecode in Python 3.11.
DENSE = """
def read(path, a=1, b=2):
    try: found = path[a] if b and (a or not b) else None
    except ValueError: pass
    return dict(total=[x for x in path if x and (a or b)], found=found, name='a' 'b')
"""
BLACKENED = """
def read(
    path, a=1, b=2
):
    try:
        found = (
            path[a]
            if b and (a or not b)
            else None
        )

    except ValueError:
        pass
    return dict(
        total=[x for x in path if x and (a or b)],
        found=found,
        name="ab",
    )
"""

CASES = [
    edit("nothing", PLAIN, "LIMIT", "LIMIT", changes=False),
    edit("the function", PLAIN, "+ offset", "- offset", changes=True),
    edit("a helper", PLAIN, "scale(scale(x))", "scale(x)", changes=True),
    edit("a helper's helper", PLAIN, "x * LIMIT", "x + LIMIT", changes=True),
    edit("a constant of a helper", PLAIN, "LIMIT = 3", "LIMIT = 4", changes=True),
    edit("a constant's type", PLAIN, "LIMIT = 3", "LIMIT = 3.0", changes=True),
    edit("a set in a constant", PLAIN, "{1, 2}", "{1, 3}", changes=True),
    edit("the order in a set", PLAIN, "{1, 2}", "{2, 1}", changes=False),
    edit(
        "the order in a dict",
        PLAIN,
        '"red": {1, 2}, "blue": [0.5]',
        '"blue": [0.5], "red": {1, 2}',
        changes=False,
    ),
    edit("a default", PLAIN, "factor=2", "factor=3", changes=True),
    edit("a keyword's default", PLAIN, "offset=0", "offset=1", changes=True),
    edit("a parameter's name", PLAIN, "path", "file", changes=False),
    edit("a local's name", PLAIN, "pixels", "values", changes=False),
    edit("a helper's name", PLAIN, "twice", "double", changes=True),
    edit("a comment", PLAIN, "# a comment", "# another", changes=False),
    edit("a docstring", PLAIN, "Read one image.", "Read.", changes=False),
    edit("no docstring", PLAIN, '"""Read one image."""', "", changes=False),
    edit("blank lines", PLAIN, "\n\n", "\n\n\n\n", changes=False),
    edit("an annotation", PLAIN, "read(path,", "read(path: str,", changes=False),
    edit("a return annotation", PLAIN, "def scale(x):", "def scale(x) -> int:", changes=False),
    edit("a local's annotation", PLAIN, "pixels =", "pixels: int =", changes=False),
    edit("unrelated code", PLAIN, "x - 1", "x - 2", changes=False),
    edit("an unrelated import", PLAIN, "import threading", "import queue", changes=False),
    case("the order of definitions", PLAIN, PLAIN.replace("LIMIT = 3\n", "") + "\nLIMIT = 3\n", changes=False),
    case("layout", DENSE, BLACKENED, changes=False),
    edit("a decorator", DECORATED, "[:size]", "[size:]", changes=True),
    edit("a decorator's argument", DECORATED, "cropped(4)", "cropped(5)", changes=True),
    edit("what is decorated", DECORATED, "return path\n", "return path * 2\n", changes=True),
    edit("no decorator", DECORATED, "@cropped(4)", "", changes=True),
    edit("a closure's value", CLOSURE, "make(0)", "make(1)", changes=True),
    edit("a closure's code", CLOSURE, "path[channel]", "path[-channel]", changes=True),
    edit("a partial's argument", PARTIAL, "channel=0", "channel=1", changes=True),
    edit("a partial's function", PARTIAL, "* gain", "+ gain", changes=True),
    edit("an object's state", OBJECT, "make(0)", "make(1)", changes=True),
    edit("an object's call", OBJECT, "len(path)", "len(path[0])", changes=True),
    edit("an object's static method", OBJECT, "max(x, 0)", "max(x, 1)", changes=True),
    edit("an object's class method", OBJECT, "cls(channel)", "cls(channel or 0)", changes=True),
    edit("an object's property", OBJECT, "return 5", "return 6", changes=True),
    edit("an object's class attribute", OBJECT, "scale = 2", "scale = 3", changes=True),
    edit("an object's base class", OBJECT, "x + 1", "x + 2", changes=True),
    edit("an object's docstring", OBJECT, '"Read."', '"Read it."', changes=False),
    edit("a bound method's object", METHOD, "Reader(7)", "Reader(8)", changes=True),
    edit("a bound method's code", METHOD, "self.gain", "self.gain * 2", changes=True),
    edit("a dataclass's default", FIELDS, "size: int = 1", "size: int = 9", changes=True),
    edit("a dataclass's factory", FIELDS, "default_factory=list", "default_factory=dict", changes=True),
    edit("a dataclass's field type", FIELDS, "size: int", "size: float", changes=True),
    edit("a dataclass instance", FIELDS, "Row(size=2)", "Row(size=3)", changes=True),
    edit("a member of an enum", FIELDS, "RED = 1", "RED = 3", changes=True),
    edit(
        "a dataclass's field metadata",
        FIELDS,
        "default_factory=list",
        "default_factory=list, metadata={1: 2}",
        changes=True,
    ),
    edit("a class's field type", NESTED, "size: int", "size: float", changes=True),
    edit("an inner class's field type", NESTED, "field: int", "field: float", changes=True),
    edit("an inner function's annotations", NESTED, "inner(x: int) -> int", "inner(x: float) -> str", changes=False),
    edit("no inner annotations", NESTED, "inner(x: int) -> int", "inner(x)", changes=False),
    edit("a cached function", NESTED, "x + 1", "x + 2", changes=True),
    edit("a dispatched function", NESTED, "return x\n", "return -x\n", changes=True),
    edit("a registered function", NESTED, "x * 2", "x * 4", changes=True),
    edit("a function in Python's wrapper", NESTED, "x * 3", "x * 4", changes=True),
    edit("a logger's name", NESTED, '"one"', '"two"', changes=False),
    edit("a lambda", LAMBDAS, "x[1]", "x[5]", changes=True),
    edit("other lambdas on its line", LAMBDAS, "x[0]", "x[6]", changes=False),
    case("a lambda's line", LAMBDAS, "\n\n" + LAMBDAS.replace("; ", "\n"), changes=False),
]


@pytest.mark.parametrize(("before", "after", "changes"), CASES)
def test_what_counts(tmp_path: Path, before: str, after: str, changes: bool) -> None:
    first, second = fingerprint_of(tmp_path / "a", before), fingerprint_of(tmp_path / "b", after)
    assert (first != second) is changes
