"""From a function to everything its results depend on, reduced to one digest, and a digest of each part.

A digest never holds an address, a module's name, a file's path, or an order that differs between processes.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from airflow_dirops.core.fingerprint.definitions import Definitions
from airflow_dirops.core.fingerprint.home import Home
from airflow_dirops.core.fingerprint.parts import Label, Parts, UsedModule
from airflow_dirops.core.fingerprint.values import parts_of_value
from airflow_dirops.core.format.code import CodePart, part_name, short_digest

if TYPE_CHECKING:
    from collections.abc import Collection

_DEPTH = 64  # what lies deeper counts by its type's name, well before Python's own limit


class Digests(NamedTuple):
    """Two digests of one thing.

    :param whole: of all that it depends on.
    :param outline: the same, but what has a label of its own counts by its name only.
    """

    whole: bytes
    outline: bytes


def combine(kind: str, *parts: str | bytes | memoryview) -> bytes:
    """Hash parts of one kind so that no two different lists of parts give the same bytes to hash."""
    state = sha256()
    for part in (kind, *parts):
        data = memoryview(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
        state.update(data.nbytes.to_bytes(8, "big"))
        state.update(data)
    return state.digest()


class Walk:
    """One visit to all that a function refers to.

    :param function: where the visit begins.
    :param by_keyword: the parameters that are passed to it by keyword; None keeps the names of all variables.
    """

    def __init__(self, function: object, by_keyword: Collection[str] | None) -> None:
        self._home = Home(function)
        self._definitions = Definitions(function, by_keyword)
        # Values are kept beside their digests, or an id might come back as another value's.
        self._done: dict[object, tuple[object, Digests]] = {}
        self._path: list[object] = []
        self._found: list[tuple[int, CodePart]] = []

    @property
    def needs_names(self) -> bool:
        """Whether something was met to which the names of variables mean something."""
        return self._definitions.needs_names

    @property
    def found(self) -> list[CodePart]:
        """The parts that were met, the nearest first."""
        return [part for _, part in sorted(self._found, key=lambda each: each[0])]

    def digest(self, value: object) -> bytes:
        """Reduce anything to a digest of its content; ends where content holds itself."""
        return self._digests(value).whole

    def _digests(self, value: object) -> Digests:
        if isinstance(value, Parts):
            return self._fold(value)
        identity = _identity(value)
        self._definitions.note_visit(value)
        if identity in self._done:
            return self._done[identity][1]
        if identity in self._path:
            label = self._definitions.label(value)
            distance = len(self._path) - self._path.index(identity)
            return Digests(combine("cycle", str(distance)), _named(label) if label else combine("cycle"))
        found = self._visit(value, identity)
        self._done[identity] = (value, found)
        return found

    def _visit(self, value: object, identity: object) -> Digests:
        if len(self._path) >= _DEPTH:
            deep = combine("deep", type(value).__qualname__)
            return Digests(deep, deep)
        self._path.append(identity)
        try:
            return self._fold(self._definitions.parts(value) or parts_of_value(value, self._home))
        finally:
            self._path.pop()

    def _fold(self, parts: Parts) -> Digests:
        held = [self._digests(each) for each in parts.held]
        whole = _combined(parts, [each.whole for each in held])
        is_plain = all(each.whole == each.outline for each in held)
        outline = whole if is_plain else _combined(parts, [each.outline for each in held])
        if parts.label is None:
            return Digests(whole, outline)
        self._note(parts.label, outline)
        return Digests(whole, _named(parts.label))

    def _note(self, label: Label, outline: bytes) -> None:
        part = CodePart(
            kind=label.kind,
            name=part_name(label.name),
            file=part_name(label.file),
            # A version says it all.
            digest="" if label.kind == "package" else short_digest(outline),
            value=label.value,
        )
        self._found.append((len(self._path), part))


def _combined(parts: Parts, digests: list[bytes]) -> bytes:
    return combine(parts.kind, parts.data, *(digests if parts.ordered else sorted(digests)))


def _named(label: Label) -> bytes:
    return combine(label.kind, label.stands_for or label.name)


def _identity(value: object) -> object:
    if isinstance(value, UsedModule):
        return id(value.module), value.attributes
    return id(value)
