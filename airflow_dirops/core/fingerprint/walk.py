"""From a function to everything its results depend on, reduced to one digest.

A digest never holds an address, a module's name, a file's path, or an order that differs between processes.
"""

from __future__ import annotations

from hashlib import sha256

from airflow_dirops.core.fingerprint.definitions import Definitions
from airflow_dirops.core.fingerprint.home import Home
from airflow_dirops.core.fingerprint.parts import Parts, UsedModule
from airflow_dirops.core.fingerprint.values import parts_of_value

_DEPTH = 64  # what lies deeper counts by its type's name, well before Python's own limit


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
    """

    def __init__(self, function: object) -> None:
        self._home = Home(function)
        self._definitions = Definitions()
        # Values are kept beside their digests, or an id might come back as another value's.
        self._done: dict[object, tuple[object, bytes]] = {}
        self._path: list[object] = []

    def digest(self, value: object) -> bytes:
        """Reduce anything to a digest of its content; ends where content holds itself."""
        if isinstance(value, Parts):
            return self._fold(value)
        identity = _identity(value)
        if identity in self._done:
            return self._done[identity][1]
        if identity in self._path:
            return combine("cycle", str(len(self._path) - self._path.index(identity)))
        found = self._visit(value, identity)
        self._done[identity] = (value, found)
        return found

    def _visit(self, value: object, identity: object) -> bytes:
        if len(self._path) >= _DEPTH:
            return combine("deep", type(value).__qualname__)
        self._path.append(identity)
        try:
            return self._fold(self._definitions.parts(value) or parts_of_value(value, self._home))
        finally:
            self._path.pop()

    def _fold(self, parts: Parts) -> bytes:
        digests = [self.digest(each) for each in parts.held]
        return combine(parts.kind, parts.data, *(digests if parts.ordered else sorted(digests)))


def _identity(value: object) -> object:
    if isinstance(value, UsedModule):
        return id(value.module), value.attributes
    return id(value)
