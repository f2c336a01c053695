"""What a value, function, class or module is made of, as far as it counts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType


@dataclass(frozen=True)
class Label:
    """What a person knows a thing by.

    :param kind: as in :class:`~airflow_dirops.core.format.code.CodePart`.
    :param file: the file that it is in.
    :param value: what it is, if that may be told.
    :param stands_for: what the things that refer to it have of it; by default its kind and name.
    """

    kind: str
    name: str
    file: str = ""
    value: str | None = None
    stands_for: str = ""


def python_label(name: str = "") -> Label:
    """Python itself.

    :param name: what of its library.
    """
    return Label("package", "Python", value="{}.{}".format(*sys.version_info), stands_for=f"Python {name}")


@dataclass(frozen=True, eq=False)
class Parts:
    """One thing, taken apart by one level.

    :param kind: keeps things of different kinds apart that hold the same.
    :param data: its own content.
    :param held: what it holds, to be taken apart in turn.
    :param ordered: whether the order of what it holds counts.
    :param label: where a change of it is told on its own, and not as one of what refers to it.
    """

    kind: str
    data: str | bytes | memoryview = ""
    held: tuple[object, ...] = ()
    ordered: bool = True
    label: Label | None = None


@dataclass(frozen=True, eq=False)
class UsedModule:
    """A module, as seen by code that mentions some attributes.

    :param module: the module.
    :param attributes: every attribute name that the code mentions, of whatever object.
    """

    module: ModuleType
    attributes: frozenset[str]


def parts_of_mapping(content: Mapping[Any, object] | Iterable[tuple[Any, object]]) -> Parts:
    """Take a mapping apart; equal mappings have equal parts, whatever their order."""
    items = sorted(dict(content).items(), key=lambda pair: _steady(pair[0]))
    return Parts("dict", held=tuple(Parts("item", held=pair) for pair in items), ordered=False)


def parts_of_set(content: Iterable[object]) -> Parts:
    """Take a set apart."""
    return Parts("set", held=tuple(sorted(content, key=_steady)), ordered=False)


def _steady(key: object) -> str:
    # Where things refer to each other in a circle, it counts which one is visited first.
    return key if type(key) is str else getattr(key, "__qualname__", "")
