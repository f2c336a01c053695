"""A function's own text, without what does not change what it does.

The text is taken from the syntax tree of its source, and only where compiling that source gives the very
code that runs: a file may have been edited since it was imported. Without such a source, the bytecode stands
in for it.
"""

from __future__ import annotations

import ast
import linecache
import sys
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_SILENT = frozenset({"annotation", "ctx", "kind", "returns", "type_comment", "type_params"})
_HAS_DOCSTRING = 0x4000000  # code flag CO_HAS_DOCSTRING, Python 3.13


class Sources:
    """The source files that were needed so far, parsed and compiled."""

    def __init__(self) -> None:
        self._files: dict[str, list[tuple[CodeType, _Definition]]] = {}

    def text(self, code: CodeType, namespace: dict[str, Any]) -> object:
        """Give what stands for a function's own code: a string, or a tuple of values.

        :param code: the code that runs.
        :param namespace: the function's globals, through which linecache reads from zip files.
        """
        try:
            definition = self._definition(code, namespace)
            return _bytecode(code) if definition is None else "\n".join(_own_tokens(definition))
        except RecursionError:
            return _bytecode(code)

    def _definition(self, code: CodeType, namespace: dict[str, Any]) -> _Definition | None:
        if code.co_filename not in self._files:
            self._files[code.co_filename] = _compiled(code.co_filename, namespace)
        running = _unplaced(code)
        named = (pair for pair in self._files[code.co_filename] if pair[0].co_name == code.co_name)
        same = [pair for pair in named if _unplaced(pair[0]) == running]
        nearest = min(same, key=lambda pair: abs(pair[0].co_firstlineno - code.co_firstlineno), default=None)
        return None if nearest is None else nearest[1]


def _compiled(filename: str, namespace: dict[str, Any]) -> list[tuple[CodeType, _Definition]]:
    """Pair each function in a file, as compiled now, with its place in the syntax tree."""
    linecache.checkcache(filename)
    try:
        tree = ast.parse("".join(linecache.getlines(filename, namespace)))
        module = compile(tree, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return []
    definitions: dict[tuple[str, int], list[_Definition]] = {}
    for node in ast.walk(tree):
        if isinstance(node, _Definition):
            definitions.setdefault(_name_and_line(node), []).append(node)
    return [
        (code, _enclosing(code, definitions[code.co_name, code.co_firstlineno]))
        for code in _functions(module)
        if (code.co_name, code.co_firstlineno) in definitions
    ]


def _name_and_line(node: _Definition) -> tuple[str, int]:
    if isinstance(node, ast.Lambda):
        return "<lambda>", node.lineno
    return node.name, min(each.lineno for each in (node, *node.decorator_list))


def _functions(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _functions(constant)


def _enclosing(code: CodeType, nodes: list[_Definition]) -> _Definition:
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


def _begin(node: _Definition) -> tuple[int, int]:
    inner = node.body if isinstance(node, ast.Lambda) else node
    return inner.lineno, inner.col_offset


def _end(node: _Definition) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


def _unplaced(code: CodeType) -> CodeType:
    """Take the places out of some code, so that what remains can be compared."""
    constants = (_unplaced(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename="", co_firstlineno=1, co_linetable=b"", co_consts=tuple(constants))


def _own_tokens(node: _Definition) -> Iterator[str]:
    """Flatten a function without its name, decorators and defaults, which count as the values they have."""
    yield "async" if isinstance(node, ast.AsyncFunctionDef) else "def"
    for name in ("posonlyargs", "args", "vararg", "kwonlyargs", "kwarg"):
        yield from _tokens(getattr(node.args, name))
        yield ";"
    yield from _tokens(node.body)


def _tokens(node: object) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.AnnAssign(value=None):
            return
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _tokens(ast.Assign(targets=[target], value=value))
        case ast.ClassDef():
            yield from _node_tokens(node)
            yield from _field_tokens(node)
        case ast.AST():
            yield from _node_tokens(node)
        case list():
            yield "["
            for each in node:
                yield from _tokens(each)
            yield "]"
        case _:
            yield f"{type(node).__name__} {node!r}"


def _node_tokens(node: ast.AST) -> Iterator[str]:
    # Empty fields are left out, so that a field that a later Python adds changes nothing.
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if name not in _SILENT and value is not None and value != []:
            yield name
            yield from _tokens(value)
    yield "."


def _field_tokens(node: ast.ClassDef) -> Iterator[str]:
    # In a class body an annotation may be data: dataclasses, msgspec and pydantic read it.
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign):
            yield from _tokens([statement.target, statement.annotation])


def _bytecode(code: CodeType) -> tuple[object, ...]:
    arguments = code.co_argcount + code.co_kwonlyargcount
    variadic = bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    return (
        sys.version_info[:2],
        code.co_code,
        code.co_exceptiontable,
        code.co_names,
        code.co_varnames[: arguments + variadic],
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        tuple(_bytecode(each) if isinstance(each, CodeType) else each for each in _constants(code)),
    )


def _constants(code: CodeType) -> tuple[object, ...]:
    """Give the constants without the docstring, which is the first one where there is one."""
    documented = sys.version_info < (3, 13) or bool(code.co_flags & _HAS_DOCSTRING)
    named = not code.co_name.startswith("<")
    if documented and named and code.co_consts and isinstance(code.co_consts[0], str):
        return (None, *code.co_consts[1:])
    return code.co_consts
