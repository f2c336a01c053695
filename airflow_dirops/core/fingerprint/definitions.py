"""Take functions, classes and modules apart: what they say, and what they refer to."""

from __future__ import annotations

import sys
from enum import Enum
from functools import partial
from importlib import import_module
from importlib.util import resolve_name
from inspect import get_annotations
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from airflow_dirops.core.fingerprint.origins import Origins
from airflow_dirops.core.fingerprint.parts import Label, Parts, UsedModule, parts_of_mapping
from airflow_dirops.core.fingerprint.references import Import, References, references
from airflow_dirops.core.fingerprint.syntax import Sources
from airflow_dirops.core.fingerprint.text import NAMES_ALL
from airflow_dirops.core.format.code import part_text, part_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# Where class decorators and metaclasses keep the fields of a class and their defaults.
_FIELDS = frozenset(
    {
        "__attrs_attrs__",
        "__dataclass_fields__",
        "__pydantic_fields__",
        "__slots__",
        "__struct_defaults__",
        "__struct_fields__",
    }
)
_ANNOTATE = frozenset({"__annotate__", "__annotate_func__"})
_BEHAVIOUR = (FunctionType, staticmethod, classmethod, property)


# What tells the names of variables to code that asks for them.
_TELLS_NAMES = frozenset({"co_cellvars", "co_freevars", "co_varnames", "f_locals", "getargvalues", "getclosurevars"})


class Definitions:
    """Takes definitions apart, looking each source file and each distribution up once.

    :param root: the function that all this is for.
    :param by_keyword: the parameters that are passed to it by keyword; None keeps the names of all variables.
    """

    def __init__(self, root: object, by_keyword: Collection[str] | None) -> None:
        self._origins = Origins()
        self._sources = Sources()
        self._root = root
        self._is_renaming = by_keyword is not None
        self._by_keyword = set(by_keyword or ())
        while isinstance(self._root, partial):
            self._by_keyword.update(self._root.keywords)
            self._root = self._root.func
        self._visits = 0
        self._tells_names = False

    @property
    def needs_names(self) -> bool:
        """Whether something calls the root function, or looks into the variables of its caller."""
        return self._is_renaming and (self._visits > 1 or self._tells_names)

    def note_visit(self, value: object) -> None:
        """Count how often the root function is referred to."""
        self._visits += value is self._root

    def parts(self, value: object) -> Parts | None:
        """Take a definition apart; None for everything else."""
        match value:
            case FunctionType():
                return self._function(value)
            case type():
                return self._class(value)
            case BuiltinFunctionType():
                return self._builtin(value)
            case ModuleType():
                return self._module(UsedModule(value, frozenset()))
            case UsedModule():
                return self._module(value)
        return None

    def label(self, value: object) -> Label | None:
        """What a function or class of ours is known by; None for everything else."""
        if isinstance(value, FunctionType):
            file, name = PurePath(value.__code__.co_filename).name, value.__name__
            # What a class decorator has generated belongs to the class.
            is_generated = file == "<string>" and name.startswith("__")
            return None if is_generated else Label("function", _readable(value.__qualname__), file)
        if isinstance(value, type):
            file = getattr(sys.modules.get(value.__module__), "__file__", None) or ""
            return Label("class", _readable(value.__qualname__), PurePath(file).name)
        return None

    def _function(self, function: FunctionType) -> Parts:
        namespace = function.__globals__
        owner = self._origins.owner(str(namespace.get("__name__", "")))
        if owner is not None:
            # A decorator's wrapper holds the function of ours that it wraps.
            held = (tuple(_closure(function).items()), function.__defaults__)
            return _foreign(owner, function.__qualname__, held=held)
        found = references(function.__code__)
        self._tells_names = self._tells_names or not _TELLS_NAMES.isdisjoint(found.attributes)
        kept = self._by_keyword if function is self._root else None
        text = self._sources.text(function.__code__, namespace, kept, renaming=self._is_renaming)
        label = self.label(function)
        used = parts_of_mapping(self._used(found, namespace))
        closure = parts_of_mapping(
            (text.free.get(name, name), _named_value(name, value, namespace))
            for name, value in _closure(function).items()
        )
        return Parts("function", held=(text.tokens, used, closure, *_defaults(function, label)), label=label)

    def _used(self, found: References, namespace: dict[str, Any]) -> Iterator[tuple[object, object]]:
        """Give what a function's global names stand for, and what it imports itself."""
        attributes = frozenset(found.attributes)
        for name in found.names & namespace.keys():
            yield name, _named_value(name, _as_used(namespace[name], attributes), namespace)
        for each in found.imports:
            yield (each.level, each.module, each.names), self._imported(each, namespace, attributes)

    def _imported(self, found: Import, namespace: dict[str, Any], attributes: frozenset[str]) -> Parts:
        try:
            package = str(namespace.get("__package__") or "")
            name = resolve_name("." * found.level + found.module, package)
            owner = self._origins.owner(name)
            if owner is not None:
                return _foreign(owner)
            return Parts("import", held=tuple(UsedModule(each, attributes) for each in _modules(name, found)))
        except Exception:  # whatever a module of the user's raises while it is imported
            return Parts("missing")

    def _module(self, used: UsedModule) -> Parts:
        """A module of ours counts by what the code uses of it."""
        module = used.module
        owner = self._origins.owner(module.__name__)
        if owner is not None:
            return _foreign(owner)
        return parts_of_mapping(
            (name, _named_value(name, _as_used(getattr(module, name, None), used.attributes), vars(module)))
            for name in used.attributes & set(dir(module))
        )

    def _class(self, kind: type) -> Parts:
        owner = self._origins.owner(str(kind.__module__))
        if owner is not None:
            return _foreign(owner, kind.__qualname__)
        label = self.label(kind)
        members = parts_of_mapping(_members(kind, label))
        return Parts("class", held=(type(kind), kind.__bases__, members, _annotations(kind)), label=label)

    def _builtin(self, function: BuiltinFunctionType) -> Parts:
        holder = function.__self__
        # Whoever knows it by another name is not seen in the text.
        self._tells_names = self._tells_names or function.__name__ in NAMES_ALL
        if holder is None or isinstance(holder, ModuleType):
            owner = self._origins.owner(str(function.__module__))
            return _foreign(str(owner), function.__qualname__)
        return Parts("method", function.__name__, held=(holder,))


def _foreign(owner: str, name: str = "", held: tuple[object, ...] = ()) -> Parts:
    """What belongs to a distribution, or to Python: its version stands for it."""
    project, _, version = owner.partition(" ")
    label = Label("package", project, value=part_text(version), stands_for=f"{project} {name}") if version else None
    return Parts("foreign", f"{owner} {name}", held=held, label=label)


def _named_value(name: str, value: object, namespace: dict[str, Any], holder: str = "") -> object:
    """A value with the name that a change of it is told by; what has a label of its own as it is.

    :param holder: what it is an attribute or a default of.
    """
    if name.startswith("__") or isinstance(value, (*_BEHAVIOUR, type, BuiltinFunctionType, ModuleType, UsedModule)):
        return value
    full = holder.format(name) if holder else name
    file = PurePath(str(namespace.get("__file__") or "")).name
    return Parts("named", held=(value,), label=Label("constant", full, file, part_value(full, value)))


def _defaults(function: FunctionType, label: Label | None) -> Iterator[object]:
    """The values that parameters have by default, by their place, since their names may not count."""
    code, namespace = function.__code__, function.__globals__
    holder = f"{_readable(function.__qualname__)}({{}})"
    places = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    given = dict(zip(reversed(places[: code.co_argcount]), reversed(function.__defaults__ or ()), strict=False))
    given |= function.__kwdefaults__ or {}
    for name in places:
        if name not in given:
            yield Parts("required")
        else:
            yield given[name] if label is None else _named_value(name, given[name], namespace, holder)


def _readable(qualname: str) -> str:
    return qualname.replace("<locals>.", "")


def _as_used(value: object, attributes: frozenset[str]) -> object:
    return UsedModule(value, attributes) if isinstance(value, ModuleType) else value


def _closure(function: FunctionType) -> dict[str, object]:
    attributes = frozenset(references(function.__code__).attributes)
    held = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            held[name] = _as_used(cell.cell_contents, attributes)
        except ValueError:  # not assigned yet
            continue
    return held


def _modules(name: str, found: Import) -> Iterator[ModuleType]:
    module = import_module(name)
    yield module
    if not found.names:
        yield import_module(name.partition(".")[0])
    for submodule in found.names:
        if not hasattr(module, submodule):
            yield import_module(f"{name}.{submodule}")


def _members(kind: type, label: Label | None) -> Iterator[tuple[str, object]]:
    place: dict[str, Any] = {"__file__": label and label.file}
    holder = f"{_readable(kind.__qualname__)}.{{}}"
    if issubclass(kind, Enum):
        for name, member in kind.__members__.items():
            yield name, _named_value(name, member.value, place, holder)
    for name, value in vars(kind).items():
        if _counts(kind, name, value):
            yield name, _named_value(name, value, place, holder)


def _counts(kind: type, name: str, value: object) -> bool:
    """Leave out what Python and the libraries above put into a class by themselves."""
    if name.startswith("__") and name.endswith("__"):
        return name in _FIELDS or (isinstance(value, _BEHAVIOUR) and name not in _ANNOTATE)
    return not (issubclass(kind, Enum) and (name.startswith("_") or name in kind.__members__))


def _annotations(kind: type) -> dict[str, object]:
    # In a class an annotation may be data: dataclasses, msgspec and pydantic read it.
    try:
        return dict(get_annotations(kind))
    except Exception:  # lazily evaluated annotations run code
        return {}
