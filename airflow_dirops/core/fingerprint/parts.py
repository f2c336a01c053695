"""What a value, function, class or module is made of, as far as it counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType


@dataclass(frozen=True, eq=False)
class Parts:
    """One thing, taken apart by one level.

    :param kind: keeps things of different kinds apart that hold the same.
    :param data: its own content.
    :param held: what it holds, to be taken apart in turn.
    :param ordered: whether the order of what it holds counts.
    """

    kind: str
    data: str | bytes | memoryview = ""
    held: tuple[object, ...] = ()
    ordered: bool = True


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
    items = tuple(Parts("item", held=pair) for pair in dict(content).items())
    return Parts("dict", held=items, ordered=False)
