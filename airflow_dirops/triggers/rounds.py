"""Look at one place after the other beside the event loop, and go on with the others where one does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from threading import Lock, Thread
from typing import Generic, TypeVar

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.triggers.looking import LOOK_TIMEOUT

MOST_STUCK = 8
"""How many looks may hang at once. Each holds a thread that nothing can end."""

Seen = TypeVar("Seen")


class Rounds:
    """Goes round places, and passes over those where the last look has not come back.

    :param tell: told of a place where a look hangs, once, and again when it has come back.
    :param timeout: the seconds that one look may take.
    """

    def __init__(self, tell: Callable[[str, str], None], *, timeout: float = LOOK_TIMEOUT) -> None:
        self._tell = tell
        self._timeout = timeout
        self._stuck: set[str] = set()

    async def over(self, places: Iterable[str], look: Callable[[str], Seen]) -> dict[str, Seen | DiropsError | OSError]:
        """What a look at each place gave, or the error that it ended with. Those that hang are left out.

        :param look: is called in a thread.
        """
        seen: dict[str, Seen | DiropsError | OSError] = {}
        left = [place for place in places if place not in self._stuck]
        while left:
            walk = _Walk(left, look, self._comes_back)
            try:
                if await self._is_over(walk):
                    left = []
            finally:
                walk.leave()
            seen |= walk.seen
            left = left[len(walk.seen) + 1 :]
        return seen

    async def _is_over(self, walk: _Walk[Seen]) -> bool:
        """Wait for the end of a walk; False if it hangs, and somebody else shall go on from there."""
        try:
            walk.start()
        except RuntimeError as error:  # no thread left; the next round may have one
            self._tell(walk.at, f"cannot be looked at now: {error}")
            return True
        while not await walk.ends(self._timeout):
            if walk.hangs_for() < self._timeout:
                continue
            if walk.at not in self._stuck:
                self._tell(
                    walk.at, f"has not answered for {self._timeout:g} s; is its file system stalled? The others go on"
                )
                self._stuck.add(walk.at)
            if len(self._stuck) <= MOST_STUCK:
                return False
        self._stuck.discard(walk.at)
        return True

    def _comes_back(self, place: str) -> None:
        self._stuck.discard(place)
        self._tell(place, "answers again")


class _Walk(Generic[Seen]):
    """A thread that looks at one place after the other, until it is left alone with one that hangs."""

    def __init__(self, places: list[str], look: Callable[[str], Seen], comes_back: Callable[[str], None]) -> None:
        self.at = places[0]
        self.seen: dict[str, Seen | DiropsError | OSError] = {}
        self._places, self._look, self._comes_back = places, look, comes_back
        self._since = time.monotonic()
        self._lock = Lock()
        self._is_left = False
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()

    def start(self) -> None:
        Thread(target=self._run, name="dirops-round", daemon=True).start()

    def leave(self) -> None:
        """Take what it has seen so far, and no more from it."""
        with self._lock:
            self._is_left = True

    def hangs_for(self) -> float:
        return time.monotonic() - self._since

    async def ends(self, timeout: float) -> bool:
        with suppress(TimeoutError):
            # Not wait_for(): up to Python 3.11 it swallows a cancellation that comes together with the end.
            async with asyncio.timeout(max(0.01, timeout - self.hangs_for())):
                await self._ended.wait()
        return self._ended.is_set()

    def _run(self) -> None:
        for place in self._places:
            self.at, self._since = place, time.monotonic()
            seen: Seen | DiropsError | OSError
            try:
                seen = self._look(place)
            except (DiropsError, OSError) as error:
                seen = error
            with self._lock:
                if self._is_left:
                    self._call(partial(self._comes_back, place))
                    return
                self.seen[place] = seen
        self._call(self._ended.set)

    def _call(self, what: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(what)
