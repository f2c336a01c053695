"""How many items to hand to a worker at once."""

from __future__ import annotations

import math

_CHUNK_SECONDS = 0.01
_MAX_CHUNK = 64
_LONGEST_ITEM_TO_QUEUE_SECONDS = 0.05
_WEIGHT_OF_THE_LAST = 0.3


class Pace:
    """Follows how long items take: quick ones travel in chunks of some milliseconds of work, slow ones alone."""

    def __init__(self) -> None:
        self._seconds = math.inf
        self.chunk = 1

    @property
    def depth(self) -> int:
        """How many chunks a worker may have: a second one waits beside it, but not behind a slow item."""
        return 2 if self._seconds < _LONGEST_ITEM_TO_QUEUE_SECONDS else 1

    def note(self, items: int, seconds: float) -> None:
        """Some items took so long."""
        if not items:
            return
        last = seconds / items
        if math.isinf(self._seconds):
            self._seconds = last
        self._seconds += _WEIGHT_OF_THE_LAST * (last - self._seconds)
        wanted = _CHUNK_SECONDS / max(self._seconds, _CHUNK_SECONDS / _MAX_CHUNK)
        self.chunk = max(1, min(int(wanted), 2 * self.chunk))
