"""What a piece of code mentions: global names, attributes, and imports of its own."""

from __future__ import annotations

import dis
from dataclasses import dataclass, field
from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_GLOBAL_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})


@dataclass(frozen=True, order=True)
class Import:
    """An import statement inside a function.

    :param module: the name as written, without leading dots.
    :param level: the number of leading dots.
    :param names: what ``from … import`` takes; empty for a plain ``import``.
    """

    module: str
    level: int
    names: tuple[str, ...]


@dataclass
class References:
    """The names that a function mentions, those in the functions and classes inside it included."""

    names: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    imports: set[Import] = field(default_factory=set)


def references(code: CodeType) -> References:
    """Collect what some code mentions."""
    found = References()
    for each in _nested(code):
        found.attributes.update(each.co_names)
        _collect(each, found)
    return found


def _collect(code: CodeType, found: References) -> None:
    instructions = list(dis.get_instructions(code))
    for index, instruction in enumerate(instructions):
        if instruction.opname in _GLOBAL_READS:
            found.names.add(instruction.argval)
        elif instruction.opname == "IMPORT_NAME":
            # The two instructions before an import load its level and its names.
            level, names = (before.argval for before in instructions[index - 2 : index])
            found.imports.add(Import(instruction.argval, level, names or ()))


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
