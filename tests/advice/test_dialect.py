"""Messages speak one dialect: a phrase that goes on after "Kind: ", so no capital in front and no full stop behind."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import airflow_dirops
from airflow_dirops.core import errors

PACKAGE = Path(airflow_dirops.__file__).parent
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, BaseException)}
WORDS = ("JSON", "PNG", "Pillow", "Airflow", "Python", "Ray", "AIRFLOW")  # are written so


def messages() -> Iterator[tuple[str, str]]:
    """Each text that is given to one of our errors, with its place; what is filled in stands as ``{}``."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and name_of(node.func) in KINDS:
                for text in texts(node.args[0]):
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno}", text


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def texts(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return ["".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)]
    if isinstance(node, ast.BinOp):
        return [before + after for before in texts(node.left) for after in texts(node.right)]
    return []


def test_there_are_messages() -> None:
    assert len(list(messages())) > 60


def test_no_message_begins_with_a_capital() -> None:
    wrong = [(where, text) for where, text in messages() if re.match("[A-Z]", text) and not text.startswith(WORDS)]
    assert wrong == []


def test_no_message_ends_with_a_full_stop() -> None:
    assert [(where, text) for where, text in messages() if text.rstrip().endswith((".", "!"))] == []


def test_nor_do_the_remedies() -> None:
    import errno

    for number in errno.errorcode:
        text = str(errors.StorageError("writing", "/data", OSError(number, "why")))
        assert not text.endswith(".")
        assert re.search(r"; [a-z][^;.]+", text)
