"""What sensors and triggers wait for, and what one look at it comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Finding:
    """What one look came to: what was found, or what is lacking.

    :param memory: what the next look has to know.
    """

    summary: dict[str, Any] | None = None
    lacking: str = ""
    memory: dict[str, Any] = field(default_factory=dict)


class Awaited(Protocol):
    """What is waited for, and what must hold of it."""

    @property
    def place(self) -> str:
        """The path of it, absolute."""

    def look(self, memory: dict[str, Any] | None = None) -> Finding:
        """Look once.

        :param memory: what the look before gave.
        :raises DiropsError: if waiting is in vain.
        """

    def as_dict(self) -> dict[str, Any]:
        """All of this as plain values, for a trigger."""
