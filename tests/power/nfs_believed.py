"""What an NFS client believes without asking: Linux's way, in which a name may be old for as long as attributes may.

A name, or that there is none, is believed for as long as its directory has the times that it had when the server was
asked; and these, like all attributes, are believed for some seconds, unless the file or directory is opened.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.power.nfs_client import Attributes, Export, Found


@dataclass
class _Names:
    """Names of a directory as of one moment; None for one that is not there."""

    as_of: tuple[int, ...]
    handles: dict[bytes, bytes | None] = field(default_factory=dict)


class Believed:
    """A client's memory of an export.

    :param seconds: for how long attributes are believed; 30 to 60 for directories where nobody says otherwise.
    """

    def __init__(self, export: Export, seconds: float) -> None:
        self._export, self._seconds = export, seconds
        self._attributes: dict[bytes, tuple[float, Attributes]] = {}
        self._names: dict[bytes, _Names] = {}
        # The kernel then looks up the whole path once more.
        export.when_stale = self._names.clear

    def attributes(self, handle: bytes) -> Attributes:
        asked_at, known = self._attributes.get(handle, (0.0, None))
        if known is None or time.monotonic() - asked_at > self._seconds:
            return self.attributes_anew(handle)
        return known

    def attributes_anew(self, handle: bytes) -> Attributes:
        """Ask the server, as whoever opens a file or directory does."""
        self._attributes.pop(handle, None)
        attributes = self._export.attributes(handle)
        self._attributes[handle] = time.monotonic(), attributes
        return attributes

    def look_up(self, parent: bytes, name: bytes) -> Found:
        """
        :raises FileNotFoundError: if there is no such name, or was none.
        """
        names = self._names_in(parent)
        if name not in names.handles:
            names.handles[name] = self._ask(parent, name)
        handle = names.handles[name]
        if handle is None:
            raise FileNotFoundError(2, "believed to be absent")
        return Found(handle, self.attributes(handle))

    def forget(self, *handles: bytes) -> None:
        """Ask about these files and directories the next time: this client has changed them."""
        for handle in handles:
            self._attributes.pop(handle, None)
            self._names.pop(handle, None)

    def _names_in(self, directory: bytes) -> _Names:
        seen = self.attributes(directory)
        as_of = (seen.mtime, seen.mtime_ns, seen.ctime, seen.ctime_ns)
        names = self._names.get(directory)
        if names is None or names.as_of != as_of:
            names = self._names[directory] = _Names(as_of)
        return names

    def _ask(self, parent: bytes, name: bytes) -> bytes | None:
        try:
            found = self._export.look_up(parent, name)
        except FileNotFoundError:
            return None
        self._attributes[found.handle] = time.monotonic(), found.attributes
        return found.handle
