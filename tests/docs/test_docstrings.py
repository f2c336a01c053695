"""Every docstring begins with a sentence that says what the thing is or does, and all speak one dialect."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.docs.markdown import CHECKOUT

PACKAGE = CHECKOUT / "airflow_dirops"
FILES = [str(path.relative_to(PACKAGE)) for path in sorted(PACKAGE.rglob("*.py"))]
Defined = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def tree_of(file: str) -> ast.Module:
    return ast.parse((PACKAGE / file).read_text())


def documented(file: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree_of(file)):
        if isinstance(node, Defined | ast.Module) and (text := ast.get_docstring(node)) is not None:
            yield getattr(node, "name", file), text


@pytest.mark.parametrize("file", FILES)
def test_a_docstring_begins_with_a_sentence(file: str) -> None:
    first = {name: text.partition("\n\n")[0] for name, text in documented(file)}
    assert {name: text for name, text in first.items() if text.startswith(":") or text[-1] not in ".:?"} == {}


@pytest.mark.parametrize("file", FILES)
def test_what_comes_back_is_called_returns(file: str) -> None:
    assert [name for name, text in documented(file) if ":return:" in text or ":rtype:" in text] == []


@pytest.mark.parametrize("file", FILES)
def test_public_functions_and_classes_say_what_they_are(file: str) -> None:
    public = [node for node in tree_of(file).body if isinstance(node, Defined) and not node.name.startswith("_")]
    assert [node.name for node in public if ast.get_docstring(node) is None] == []
