"""One line that tells what goes on: rewritten on a terminal, printed now and then elsewhere."""

from __future__ import annotations

import sys
import time

SECONDS_BETWEEN_LINES = 5


class Progress:
    """Where the demo says what it waits for."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._printed = float("-inf")

    def show(self, text: str) -> None:
        """Say what is being waited for; as often as one likes."""
        if self._terminal:
            print(f"\r\x1b[K  {text}", end="", flush=True)
        elif time.monotonic() - self._printed >= SECONDS_BETWEEN_LINES:
            self._printed = time.monotonic()
            print(f"  {text}", flush=True)

    def done(self, text: str) -> None:
        """Say what is done, on a line that stays."""
        print(f"\r\x1b[K{text}" if self._terminal else text, flush=True)
