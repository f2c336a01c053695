"""Which variable a name in a function stands for, by Python's rules of scope."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Scope:
    """A function, a comprehension or a class body, and the names that it binds.

    :param number: tells the scopes of one text apart.
    :param outer: the scope around it, in the same text.
    """

    def __init__(self, number: int, outer: Scope | None, *, is_class: bool = False) -> None:
        self.number = number
        self._outer = outer
        self._is_class = is_class
        self._bound: set[str] = set()
        self._kept: set[str] = set()
        self._elsewhere: dict[str, bool] = {}
        self._places: dict[str, int] = {}

    @classmethod
    def of_function(cls, number: int, outer: Scope | None, node: Function) -> Self:
        scope = cls(number, outer)
        for argument in parameters(node):
            scope._bound.add(argument.arg)
        scope._collect(node.body if isinstance(node.body, list) else [node.body])
        return scope

    @classmethod
    def of_comprehension(cls, number: int, outer: Scope, node: Comprehension) -> Self:
        scope = cls(number, outer)
        scope._collect(generator.target for generator in node.generators)
        return scope

    @classmethod
    def of_class(cls, number: int, outer: Scope, node: ast.ClassDef) -> Self:
        scope = cls(number, outer, is_class=True)
        scope._collect(node.body)
        return scope

    def keep(self, names: Iterable[str]) -> None:
        """Let the names of some variables count: they say something to others."""
        self._kept.update(names)

    def owner(self, name: str, *, from_within: bool = False) -> Scope | None:
        """The scope whose variable it is that this name stands for here; None if that lies around the text.

        :param from_within: whether the name stands in a scope inside this one.
        """
        # What a class body binds or declares holds in that body only, and not in the functions in it.
        if not (self._is_class and from_within):
            if self._elsewhere.get(name):
                return None
            if name in self._bound and name not in self._elsewhere:
                return self
        return self._outer.owner(name, from_within=True) if self._outer else None

    def is_global(self, name: str, *, from_within: bool = False) -> bool:
        """Whether a ``global`` statement here or around says so."""
        if self._elsewhere.get(name) and not (self._is_class and from_within):
            return True
        return self._outer is not None and self._outer.is_global(name, from_within=True)

    def describe(self, name: str) -> str:
        """A variable of this scope, by its place among those of the scope; by its name where that counts."""
        if self._is_class or name in self._kept:
            return f"own {self.number} {name}"
        return f"own {self.number} #{self._places.setdefault(name, len(self._places))}"

    def _collect(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self._bound.update(_bound_at(node))
            match node:
                case ast.Global(names=names):
                    self._elsewhere.update(dict.fromkeys(names, True))
                case ast.Nonlocal(names=names):
                    self._elsewhere.update(dict.fromkeys(names, False))
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    # It is the function's own __name__ as well.
                    self._kept.add(name)
            self._collect(_evaluated_here(node))


def _bound_at(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case ast.alias():
            yield bound_by(node)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name


def parameters(node: Function) -> Iterator[ast.arg]:
    """Every parameter, in the order of their kinds."""
    arguments = node.args
    yield from (*arguments.posonlyargs, *arguments.args)
    if arguments.vararg:
        yield arguments.vararg
    yield from arguments.kwonlyargs
    if arguments.kwarg:
        yield arguments.kwarg


def callable_by_keyword(node: Function) -> Iterator[str]:
    """The parameters whose names a caller may use."""
    yield from (argument.arg for argument in (*node.args.args, *node.args.kwonlyargs))


def bound_by(alias: ast.alias) -> str:
    """The variable that a part of an import statement binds."""
    return alias.asname or alias.name.partition(".")[0]


def around_function(node: Function) -> Iterator[ast.AST]:
    """What belongs to a definition and is evaluated where it stands."""
    if not isinstance(node, ast.Lambda):
        yield from node.decorator_list
    yield from node.args.defaults
    yield from (default for default in node.args.kw_defaults if default is not None)


def _evaluated_here(node: ast.AST) -> Iterator[ast.AST]:
    """The children of a node that lie in its scope."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            yield from around_function(node)
            yield from (argument.annotation for argument in parameters(node) if argument.annotation)
            if not isinstance(node, ast.Lambda) and node.returns:
                yield node.returns
        case ast.ClassDef():
            yield from (*node.decorator_list, *node.bases, *node.keywords)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield node.generators[0].iter
            # A walrus in a comprehension binds around it.
            yield from (found.target for found in _inside(node) if isinstance(found, ast.NamedExpr))
        case _:
            yield from ast.iter_child_nodes(node)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.Lambda):
            yield child
            yield from _inside(child)
