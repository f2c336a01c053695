"""Take functions, classes and modules apart: what they say, and what they refer to."""

from __future__ import annotations

from enum import Enum
from importlib import import_module
from importlib.util import resolve_name
from inspect import get_annotations
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from airflow_dirops.core.fingerprint.origins import Origins
from airflow_dirops.core.fingerprint.parts import Parts, UsedModule, parts_of_mapping
from airflow_dirops.core.fingerprint.references import Import, references
from airflow_dirops.core.fingerprint.syntax import Sources

if TYPE_CHECKING:
    from collections.abc import Iterator

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


class Definitions:
    """Takes definitions apart, looking each source file and each distribution up once."""

    def __init__(self) -> None:
        self._origins = Origins()
        self._sources = Sources()

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

    def _function(self, function: FunctionType) -> Parts:
        namespace = function.__globals__
        owner = self._origins.owner(str(namespace.get("__name__", "")))
        if owner is not None:
            # A decorator's wrapper holds the function of ours that it wraps.
            held = (_closure(function), function.__defaults__)
            return Parts("foreign", f"{owner} {function.__qualname__}", held=held)
        text = self._sources.text(function.__code__, namespace)
        used = parts_of_mapping(self._used(function))
        defaults = function.__defaults__, function.__kwdefaults__
        return Parts("function", held=(text, used, _closure(function), *defaults))

    def _used(self, function: FunctionType) -> Iterator[tuple[object, object]]:
        """Give what a function's global names stand for, and what it imports itself."""
        namespace, found = function.__globals__, references(function.__code__)
        attributes = frozenset(found.attributes)
        for name in found.names & namespace.keys():
            yield name, _as_used(namespace[name], attributes)
        for each in found.imports:
            yield (each.level, each.module, each.names), self._imported(each, namespace, attributes)

    def _imported(self, found: Import, namespace: dict[str, Any], attributes: frozenset[str]) -> Parts:
        try:
            package = str(namespace.get("__package__") or "")
            name = resolve_name("." * found.level + found.module, package)
            owner = self._origins.owner(name)
            if owner is not None:
                return Parts("foreign", owner)
            return Parts("import", held=tuple(UsedModule(each, attributes) for each in _modules(name, found)))
        except Exception:  # whatever a module of the user's raises while it is imported
            return Parts("missing")

    def _module(self, used: UsedModule) -> Parts:
        """A module of ours counts by what the code uses of it."""
        module = used.module
        owner = self._origins.owner(module.__name__)
        if owner is not None:
            return Parts("foreign", owner)
        names = used.attributes & set(dir(module))
        return parts_of_mapping((name, _as_used(getattr(module, name, None), used.attributes)) for name in names)

    def _class(self, kind: type) -> Parts:
        owner = self._origins.owner(str(kind.__module__))
        if owner is not None:
            return Parts("foreign", f"{owner} {kind.__qualname__}")
        members = parts_of_mapping(_members(kind))
        return Parts("class", held=(type(kind), kind.__bases__, members, _annotations(kind)))

    def _builtin(self, function: BuiltinFunctionType) -> Parts:
        holder = function.__self__
        if holder is None or isinstance(holder, ModuleType):
            owner = self._origins.owner(str(function.__module__))
            return Parts("foreign", f"{owner} {function.__qualname__}")
        return Parts("method", function.__name__, held=(holder,))


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


def _members(kind: type) -> Iterator[tuple[str, object]]:
    if issubclass(kind, Enum):
        yield from ((name, member.value) for name, member in kind.__members__.items())
    for name, value in vars(kind).items():
        if _counts(kind, name, value):
            yield name, value


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
