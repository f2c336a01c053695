"""Hold signals back while a few calls must not be cut in half."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HELD = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)


@contextmanager
def held_back() -> Iterator[None]:
    """Deliver SIGTERM, SIGINT and SIGALRM after the block instead of during it.

    Python runs handlers in the main thread only, so nothing needs holding back in another one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        arrived.append(number)

    # A handler that was not installed from Python reads as None and cannot be put back: leave it alone.
    before = {number: signal.signal(number, remember) for number in _HELD if signal.getsignal(number) is not None}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in dict.fromkeys(arrived):
            signal.raise_signal(late)
