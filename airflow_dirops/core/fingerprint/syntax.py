"""Find the source of a function that runs.

A function's text is taken from the syntax tree of its source, and only where compiling that source gives the very
code that runs: a file may have been edited since it was imported. Without such a source, the bytecode stands
in for it.
"""

from __future__ import annotations

import ast
import linecache
import sys
from types import CodeType
from typing import TYPE_CHECKING, Any

from airflow_dirops.core.fingerprint.parts import Parts, python_label
from airflow_dirops.core.fingerprint.scopes import Function
from airflow_dirops.core.fingerprint.text import NAMES_ALL, Text, text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_HAS_DOCSTRING = 0x4000000  # code flag CO_HAS_DOCSTRING, Python 3.13


class Sources:
    """The source files that were needed so far, parsed and compiled."""

    def __init__(self) -> None:
        self._files: dict[str, list[tuple[CodeType, Function]]] = {}

    def text(self, code: CodeType, namespace: dict[str, Any], kept: Collection[str] | None, *, renaming: bool) -> Text:
        """Give what stands for a function's own code.

        :param code: the code that runs.
        :param namespace: the function's globals, through which linecache reads from zip files.
        :param kept: the parameters whose names count; by default all that can be passed by keyword.
        :param renaming: whether the names of its variables do not count.
        """
        try:
            definition = self._definition(code, namespace)
            if definition is not None:
                return text_of(definition, code.co_freevars, kept, renaming=renaming)
        except RecursionError:
            pass
        return Text(_bytecode(code, kept, renaming=renaming), {})

    def _definition(self, code: CodeType, namespace: dict[str, Any]) -> Function | None:
        if code.co_filename not in self._files:
            self._files[code.co_filename] = _compiled(code.co_filename, namespace)
        running = _unplaced(code)
        named = (pair for pair in self._files[code.co_filename] if pair[0].co_name == code.co_name)
        same = [pair for pair in named if _unplaced(pair[0]) == running]
        nearest = min(same, key=lambda pair: abs(pair[0].co_firstlineno - code.co_firstlineno), default=None)
        return None if nearest is None else nearest[1]


def _compiled(filename: str, namespace: dict[str, Any]) -> list[tuple[CodeType, Function]]:
    """Pair each function in a file, as compiled now, with its place in the syntax tree."""
    linecache.checkcache(filename)
    try:
        tree = ast.parse("".join(linecache.getlines(filename, namespace)))
        module = compile(tree, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return []
    definitions: dict[tuple[str, int], list[Function]] = {}
    for node in ast.walk(tree):
        if isinstance(node, Function):
            definitions.setdefault(_name_and_line(node), []).append(node)
    return [
        (code, _enclosing(code, definitions[code.co_name, code.co_firstlineno]))
        for code in _functions(module)
        if (code.co_name, code.co_firstlineno) in definitions
    ]


def _name_and_line(node: Function) -> tuple[str, int]:
    if isinstance(node, ast.Lambda):
        return "<lambda>", node.lineno
    return node.name, min(each.lineno for each in (node, *node.decorator_list))


def _functions(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _functions(constant)


def _enclosing(code: CodeType, nodes: list[Function]) -> Function:
    """Choose among the functions that begin on one line: the innermost that holds all of the code."""
    if len(nodes) == 1:
        return nodes[0]
    spans = [
        (line, column, end_line, end_column)
        for line, end_line, column, end_column in code.co_positions()
        if line is not None and end_line is not None and column is not None and end_column
    ]
    first, last = min(span[:2] for span in spans), max(span[2:] for span in spans)
    holding = [node for node in nodes if _begin(node) <= first and last <= _end(node)]
    return max(holding, key=_begin)


def _begin(node: Function) -> tuple[int, int]:
    inner = node.body if isinstance(node, ast.Lambda) else node
    return inner.lineno, inner.col_offset


def _end(node: Function) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


def _unplaced(code: CodeType) -> CodeType:
    """Take the places out of some code, so that what remains can be compared."""
    constants = (_unplaced(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename="", co_firstlineno=1, co_linetable=b"", co_consts=tuple(constants))


def _bytecode(code: CodeType, kept: Collection[str] | None, *, renaming: bool) -> tuple[object, ...]:
    arguments = code.co_argcount + code.co_kwonlyargcount
    variadic = bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    names: tuple[str, ...] = (*code.co_varnames, *code.co_cellvars)
    if renaming and NAMES_ALL.isdisjoint(code.co_names):
        # Those of locals are in no instruction: only what a caller can use is left.
        names = tuple(name if kept is None or name in kept else "" for name in names[: arguments + variadic])
    return (
        Parts("python", label=python_label()),
        code.co_code,
        code.co_exceptiontable,
        code.co_names,
        names,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        tuple(
            _bytecode(each, None, renaming=renaming) if isinstance(each, CodeType) else each
            for each in _constants(code)
        ),
    )


def _constants(code: CodeType) -> tuple[object, ...]:
    """Give the constants without the docstring, which is the first one where there is one."""
    documented = sys.version_info < (3, 13) or bool(code.co_flags & _HAS_DOCSTRING)
    named = not code.co_name.startswith("<")
    if documented and named and code.co_consts and isinstance(code.co_consts[0], str):
        return (None, *code.co_consts[1:])
    return code.co_consts
