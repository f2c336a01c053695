"""A function's syntax tree as a text that is the same for two functions that do the same by the same steps.

Docstrings, annotations and ``pass`` are left out. A local variable stands there by its place, and not by its name,
unless something could look at the name: a caller that passes it by keyword, a text that mentions it, or a function
that looks into its caller's variables.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_dirops.core.fingerprint.scopes import (
    Comprehension,
    Function,
    Scope,
    bound_by,
    callable_by_keyword,
    parameters,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

NAMES_ALL = frozenset({"dir", "eval", "evaluate", "exec", "locals", "query", "vars"})
"""What finds a variable by its name: of Python, pandas, numexpr; whoever mentions one keeps the names of all."""

_SILENT = frozenset({"annotation", "ctx", "kind", "returns", "type_comment", "type_params"})
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Text:
    """What stands for a function's own code.

    :param tokens: the text; or, where there is no source, what stands for it.
    :param free: how it names the variables of the functions around, by their names.
    """

    tokens: object
    free: dict[str, str]


def text_of(node: Function, free: Collection[str], kept: Collection[str] | None, *, renaming: bool) -> Text:
    """Flatten a function without its name, decorators and defaults, which count as the values they have.

    :param free: the names of variables that belong to functions around it.
    :param kept: the parameters whose names count; by default all that can be passed by keyword.
    :param renaming: whether the names of its variables do not count.
    """
    writer = _Writer(node, free, renaming=renaming)
    tokens = "\n".join(writer.function(node, kept))
    return Text(tokens, writer.free)


class _Writer:
    def __init__(self, node: Function, free: Collection[str], *, renaming: bool) -> None:
        words = _Words.in_function(node)
        self._renaming = renaming and not words.names & NAMES_ALL and not any(map(_is_mangled, words.names))
        self._mentioned = words.quoted
        self._free = free
        self._scopes = 0
        self.free: dict[str, str] = {}

    def function(self, node: Function, kept: Collection[str] | None, outer: Scope | None = None) -> Iterator[str]:
        scope = Scope.of_function(self._next(), outer, node)
        scope.keep(self._mentioned)
        scope.keep(callable_by_keyword(node) if kept is None else kept)
        yield "async" if isinstance(node, ast.AsyncFunctionDef) else "def"
        for name in ("posonlyargs", "args", "vararg", "kwonlyargs", "kwarg"):
            yield from self._tokens(getattr(node.args, name), scope)
            yield ";"
        yield from self._tokens(node.body, scope)
        yield "."

    def _next(self) -> int:
        self._scopes += 1
        return self._scopes

    def _variable(self, name: str, scope: Scope) -> str:
        owner = scope.owner(name)
        if owner is not None:
            return owner.describe(name) if self._renaming else f"own {owner.number} {name}"
        if name not in self._free or scope.is_global(name):
            return f"global {name}"
        by_name = not self._renaming or name in self._mentioned
        return self.free.setdefault(name, f"free {name}" if by_name else f"free #{len(self.free)}")

    def _tokens(self, node: object, scope: Scope) -> Iterator[str]:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.AnnAssign(value=None):
                return
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from self._tokens(ast.Assign(targets=[target], value=value), scope)
            case ast.AST():
                yield from self._tree(node, scope)
            case list():
                yield "["
                for each in node:
                    yield from self._tokens(each, scope)
                yield "]"
            case _:
                yield f"{type(node).__name__} {node!r}"

    def _tree(self, node: ast.AST, scope: Scope) -> Iterator[str]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                return self._inner_function(node, scope)
            case ast.ClassDef():
                return self._inner_class(node, scope)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self._comprehension(node, scope)
        return self._node(node, scope)

    def _node(self, node: ast.AST, scope: Scope, silent: frozenset[str] = _SILENT) -> Iterator[str]:
        # Empty fields are left out, so that a field that a later Python adds changes nothing.
        yield type(node).__name__
        names = _names_in(node)
        for field, value in ast.iter_fields(node):
            if field in names:
                yield field
                yield from (self._variable(name, scope) for name in names[field])
            elif field not in silent and value is not None and value != []:
                yield field
                yield from self._tokens(value, scope)
        yield "."

    def _inner_function(self, node: Function, scope: Scope) -> Iterator[str]:
        if not isinstance(node, ast.Lambda):
            yield self._variable(node.name, scope)
            yield from self._tokens(node.decorator_list, scope)
        yield from self._tokens([node.args.defaults, node.args.kw_defaults], scope)
        yield from self.function(node, None, scope)

    def _inner_class(self, node: ast.ClassDef, scope: Scope) -> Iterator[str]:
        yield self._variable(node.name, scope)
        yield from self._node(node, scope, _SILENT | {"name", "body"})
        inner = Scope.of_class(self._next(), scope, node)
        yield from self._tokens(node.body, inner)
        # In a class body an annotation may be data: dataclasses, msgspec and pydantic read it.
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                yield from self._tokens([statement.target, statement.annotation], inner)

    def _comprehension(self, node: Comprehension, scope: Scope) -> Iterator[str]:
        inner = Scope.of_comprehension(self._next(), scope, node)
        inner.keep(self._mentioned)
        yield type(node).__name__
        for number, generator in enumerate(node.generators):
            yield from self._tokens(generator.iter, inner if number else scope)
            yield from self._tokens([generator.target, generator.ifs, generator.is_async], inner)
        yield from self._tokens([node.key, node.value] if isinstance(node, ast.DictComp) else node.elt, inner)
        yield "."


def _names_in(node: ast.AST) -> dict[str, list[str]]:
    """The fields of a node that name variables, which the tree has as plain text."""
    match node:
        case ast.Name(id=name):
            return {"id": [name]}
        case ast.arg(arg=name):
            return {"arg": [name]}
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return {"name": [name]}
        case ast.MatchMapping(rest=str(name)):
            return {"rest": [name]}
        case ast.Nonlocal(names=names):
            return {"names": names}
        case ast.alias():
            # "import a.b" binds a, and "import a.b as a" binds what lies in it.
            whole = {"asname": [bound_by(node)]}
            return whole if node.asname or "." not in node.name else {}
    return {}


@dataclass(frozen=True)
class _Words:
    """The words in a function.

    :param names: its identifiers.
    :param quoted: what its texts could mean by name: ``"a > @limit"``, or ``f"{x=}"``.
    """

    names: set[str]
    quoted: set[str]

    @classmethod
    def in_function(cls, node: Function) -> _Words:
        found = cls({argument.arg for argument in parameters(node)}, set())
        for each in _counted(node.body):
            match each:
                case ast.Constant(value=str(text)):
                    found.quoted.update(_WORD.findall(text))
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                    found.names.add(name)
        return found


def _counted(node: object) -> Iterator[ast.AST]:
    """All that counts of a tree."""
    if isinstance(node, list):
        for each in node:
            yield from _counted(each)
    if not isinstance(node, ast.AST) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return
    yield node
    for field, value in ast.iter_fields(node):
        if field not in _SILENT or (field == "annotation" and isinstance(node, ast.AnnAssign)):
            yield from _counted(value)


def _is_mangled(name: str) -> bool:
    """Whether another name stands for it in a class: ``__x`` is ``_Class__x`` there."""
    return name.startswith("__") and not name.endswith("__")
