"""Names of variables do not count, wherever Python binds one; unless somebody can see the name."""

from __future__ import annotations

import os
import re
import tempfile
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airflow_dirops.core.fingerprint import fingerprint
from tests.core.fingerprint.test_fingerprint import load


def fingerprint_of(folder: Path, source: str, by_keyword: tuple[str, ...] = ()) -> str:
    # Python takes a file of one size and second for the same: each source has a folder of its own.
    return fingerprint(load(folder / uuid4().hex, source).read, codec="npy", by_keyword=by_keyword).fingerprint


SAME = {
    "a parameter": "def read(X): return len(X)",
    "one by position only": "def read(a, X=1, /): return a + X",
    "an optional one": "def read(a, X=1): return a + X",
    "one for keywords": "def read(a, *, X=1): return a + X",
    "those for the rest": "def read(*X, **Y): return X, Y",
    "of a lambda": "read = lambda X: X[0]",
    "a local": "def read(p): X = 1; X += p; del X; X: int = 2; return X",
    "in a loop": """
        def read(p):
            for X, (Y, *p) in p: pass
            return X, Y
    """,
    "in with": """
        def read(p):
            with open(p) as X: return X.read()
    """,
    "of an exception": """
        def read(p):
            try: p()
            except OSError as X: return X
    """,
    "of an import": """
        def read(p):
            import os.path as X
            from os import sep as Y
            return X, Y
    """,
    "in a match": """
        def read(p):
            match p:
                case {'a': X, **Y} | [X, *Y]: return X, Y
                case X: return X
    """,
    "in a walrus": "def read(p): return [Y for Y in p if (X := Y)], X",
    "in comprehensions": "def read(p): return [X for X in p], {X: Y for X, Y in p}, {X for X in p}, sum(X for X in p)",
    "in an f-string": "def read(X): return f'<{X:{X}}>'",
    "in an inner function": """
        def read(p):
            X = p
            def inner(*Y):
                nonlocal X
                X = Y
            return inner(X)
    """,
    "in a method": """
        def read(p):
            class C:
                def m(self): X = p; return X
            return C().m()
    """,
    "used in a class": """
        def read(p):
            X = p
            class C: field = X
            return C
    """,
    "of a helper": """
        def scale(p): X = p; return X
        def read(p): return scale(p)
    """,
    "of a closure": """
        def make(X, Y):
            def read(p): return p[Y] + X
            return read
        read = make(1, 2)
    """,
    "of a partial": """
        import functools
        def whole(X, gain): return X * gain
        read = functools.partial(whole, gain=2)
    """,
}


@pytest.mark.parametrize("template", SAME.values(), ids=SAME)
def test_a_variable_has_any_name(tmp_path: Path, template: str) -> None:
    names = [("one", "two"), ("two", "one"), ("zeta", "alpha")]
    found = {
        fingerprint_of(tmp_path / one, re.sub(r"\bX\b", one, re.sub(r"\bY\b", other, template))) for one, other in names
    }
    assert len(found) == 1


SEEN = {
    "a helper's parameter": """
        def scale(p, X=1): return p * X
        def read(p): return scale(p, X=2)
    """,
    "an inner function's parameter": """
        def read(p):
            def inner(X): return X
            return inner(**p)
    """,
    "an inner lambda's parameter": "def read(p): return p.call(lambda X: X)",
    "an inner function's name": """
        def read(p):
            def X(): return p
            return X
    """,
    "a class's attribute": """
        def read(p):
            class C: X = 1
            return C
    """,
    "a global": """
        X = 1
        def read(p): return X
    """,
    "a global that is set": "def read(p): global X; X = p",
    "an attribute": "def read(p): return p.X",
    "a keyword": "def read(p): return dict(X=p)",
    "a function that calls itself": "def read(X): return X and read(X=X[1:])",
    "through another": """
        def read(X): return other(X)
        def other(p): return p and read(X=p)
    """,
    "locals": "def read(p): X = p; return locals()",
    "locals by another name": """
        all_of_them = locals
        def read(p): X = p; return all_of_them()
    """,
    "locals in a table": """
        TABLE = {"all": locals}
        def read(p): X = p; return TABLE["all"]()
    """,
    "locals, imported": "def read(p): from builtins import locals as every; X = p; return every()",
    "vars": "def read(p): X = p; return [vars() for _ in p]",
    "eval": "def read(p): X = 1; return eval(p)",
    "exec": "def read(p): X = 1; exec(p)",
    "a query of pandas": "def read(p): X = 1; return p.query(p.text)",
    "an expression of numexpr": "def read(p): X = 1; return p.evaluate(p.text)",
    "a formula": "def read(p): X = 1; return p.ols('y ~ log(X)')",
    "an f-string that shows it": "def read(p): X = 1; return f'{X=}'",
    "a helper that looks into its caller": """
        import sys
        def grab(): return sys._getframe(1).f_locals
        def read(p): X = 1; return grab()
    """,
    "a name that a class changes": """
        def read(p):
            __X = p
            class C:
                def m(self): return __X
            return C
    """,
    "a keyword of a partial": """
        import functools
        def whole(p, X=1): return X
        read = functools.partial(whole, X=2)
    """,
}


@pytest.mark.parametrize("template", SEEN.values(), ids=SEEN)
def test_a_name_that_somebody_sees_counts(tmp_path: Path, template: str) -> None:
    found = {fingerprint_of(tmp_path / name, re.sub(r"X\b", name, template)) for name in ("one", "two")}
    assert len(found) == 2


def test_a_parameter_that_is_passed_by_keyword_counts(tmp_path: Path) -> None:
    found = {
        fingerprint_of(tmp_path / name, f"def read(p, *, {name}=None): return {name}", by_keyword=(name,))
        for name in ("params", "partition")
    }
    assert len(found) == 2


DIFFERENT = {
    "swapped parameters": ("def read(a, b=1): return a - b", "def read(b, a=1): return a - b"),
    "another variable": ("def read(a): b = 1; return a", "def read(a): b = 1; return b"),
    "a global instead of a local": ("b = 1\ndef read(a): b = 1; return b", "b = 1\ndef read(a): c = 1; return b"),
    "a global statement": ("def read(a): b = a", "def read(a): global b; b = a"),
    "a nonlocal statement": (
        "def read(a):\n    b = 1\n    def inner(): nonlocal b; b = 2\n    inner()\n    return b",
        "def read(a):\n    b = 1\n    def inner(): b = 2\n    inner()\n    return b",
    ),
    "shadowed in a comprehension": (
        "def read(a): return [b for b in a for b in b]",
        "def read(a): return [b for b in a for c in b]",
    ),
    "what a walrus binds": (
        "def read(a): b = 0; return [(b := c) for c in a], b",
        "def read(a): b = 0; return [(d := c) for c in a], b",
    ),
    "a class's own name": (
        "def read(a):\n    b = 1\n    class C:\n        b = 2\n        def m(self): return b\n    return C",
        "def read(a):\n    b = 1\n    class C:\n        c = 2\n        def m(self): return b\n    return C",
    ),
    "a package or what is in it": (
        "def read(a): import os.path; return os",
        "def read(a): import os.path as os; return os",
    ),
    "which closure": (
        "def make(a, b):\n    def read(p): return a - b\n    return read\nread = make(1, 2)",
        "def make(a, b):\n    def read(p): return b - a\n    return read\nread = make(1, 2)",
    ),
    "a variable that only an annotation binds": (
        "b = 1\ndef read(a): return b",
        "b = 1\ndef read(a): b: int; return b",
    ),
    "a class that a global statement is in": (
        "b = 1\ndef read(a):\n    b = 2\n    class C:\n        global b\n        def m(self): return b\n    return C",
        "b = 1\ndef read(a):\n    b = 2\n    class C:\n        def m(self): global b; return b\n    return C",
    ),
}


@pytest.mark.parametrize(("before", "after"), DIFFERENT.values(), ids=DIFFERENT)
def test_another_variable_counts(tmp_path: Path, before: str, after: str) -> None:
    assert fingerprint_of(tmp_path / "a", before) != fingerprint_of(tmp_path / "b", after)


# Programs: B0_ binds a variable, L0_ loads one, C1_ is a constant, O0_ an operator.
OPERATORS = ["+", "-", "*"]
NAMES = [["one", "two", "three", "four"], ["zeta", "eta", "beta", "alpha"]]
loads = st.integers(0, 3).map("L{}_".format)
binds = st.integers(0, 3).map("B{}_".format)
atoms = loads | st.integers(0, 9).map("C{}_".format) | st.just("len")


def _larger(inner: Any) -> Any:
    return st.one_of(
        st.tuples(inner, st.integers(0, 2), inner).map(lambda t: f"({t[0]} O{t[1]}_ {t[2]})"),
        st.tuples(inner, binds, inner, inner).map(lambda t: f"[{t[0]} for {t[1]} in {t[2]} if {t[3]}]"),
        st.tuples(inner, inner, binds, inner).map(lambda t: f"{{{t[0]}: {t[1]} for {t[2]} in {t[3]}}}"),
        st.tuples(binds, inner).map(lambda t: f"(lambda *{t[0]}: {t[1]})"),
        st.tuples(binds, inner).map(lambda t: f"({t[0]} := {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"{t[0]}({t[1]}, key={t[1]})"),
        inner.map("f'<{{{}!r}}>'".format),
    )


expressions = st.recursive(atoms, _larger, max_leaves=6)
simple = st.one_of(
    st.tuples(binds, expressions).map(lambda t: f"{t[0]} = {t[1]}"),
    st.tuples(binds, expressions).map(lambda t: f"{t[0]} += {t[1]}"),
    expressions.map("return {}".format),
    binds.map("del {}".format),
    binds.map("import os.path as {}".format),
    binds.map("nonlocal {}".format),
)


def _blocks(inner: Any) -> Any:
    body = st.lists(inner, min_size=1, max_size=3).map(lambda lines: indent("\n".join(lines), "    "))
    return st.one_of(
        st.tuples(binds, expressions, body).map(lambda t: f"for {t[0]} in {t[1]}:\n{t[2]}"),
        st.tuples(expressions, binds, body).map(lambda t: f"with {t[0]} as {t[1]}:\n{t[2]}"),
        st.tuples(body, binds, body).map(lambda t: f"try:\n{t[0]}\nexcept OSError as {t[1]}:\n{t[2]}"),
        st.tuples(expressions, binds, body).map(lambda t: f"match {t[0]}:\n  case [{t[1]}, 1]:\n{indent(t[2], '  ')}"),
        st.tuples(binds, body).map(lambda t: f"def inner(*{t[0]}):\n{t[1]}"),
        st.tuples(expressions, loads, binds, body).map(
            lambda t: (
                f"class Inner({t[0]}):\n  field = {t[1]}, [len for {t[2]} in len]\n"
                f"  def m(self):\n{indent(t[3], '    ')}"
            )
        ),
    )


statements = st.recursive(simple, _blocks, max_leaves=6)
programs = st.tuples(binds, st.lists(statements, min_size=1, max_size=5)).map(
    lambda t: f"def read({t[0]}):\n    B0_ = B1_ = B2_ = B3_ = C0_\n" + indent("\n".join(t[1]), "    ")
)


def written(program: str, names: list[str]) -> str:
    program = re.sub(r"\b[BL](\d)_", lambda found: names[int(found[1])], program)
    program = re.sub(r"\bC(\d+)_", r"\1", program)
    return re.sub(r"\bO(\d)_", lambda found: OPERATORS[int(found[1])], program)


@settings(
    max_examples=int(os.environ.get("DIROPS_FUZZ", "100")), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(programs, st.permutations(range(4)), st.data())
def test_renaming_keeps_it_and_nothing_else_does(program: str, order: list[int], data: st.DataObject) -> None:
    first = written(program, NAMES[0])
    assume(_compiles(first))
    with tempfile.TemporaryDirectory() as scratch:
        of = partial(fingerprint_of, Path(scratch))
        before = of(first)
        renamed = written(program, [NAMES[1][place] for place in order])
        assert of(renamed) == before
        places = list(re.finditer(r"\b([LCO])(\d)_", program))
        assume(places)
        place = data.draw(st.sampled_from(places))
        kind, number = place[1], int(place[2])
        other = f"{kind}{(number + 1) % {'L': 4, 'C': 10, 'O': 3}[kind]}_"
        changed = written(program[: place.start()] + other + program[place.end() :], NAMES[0])
        assume(_compiles(changed))
        assert of(changed) != before


def _compiles(source: str) -> bool:
    try:
        compile(source, "<program>", "exec")
    except SyntaxError:
        return False
    return True
