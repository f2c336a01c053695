"""Look at a file system beside the event loop, which must go on also where the look never returns."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_TIMEOUT = 30.0
"""After how many seconds a look that has not come back is told of."""

Seen = TypeVar("Seen")


async def look_beside(
    look: Callable[[], Seen], *, on_stall: Callable[[float], None], timeout: float = LOOK_TIMEOUT
) -> Seen:
    """Look in a thread of its own, and wait for it for as long as it takes.

    A file system that does not answer holds a thread that nothing can end. So it is not one of the loop's few, which
    all triggers share, nor one that the process waits for when it ends; and there is never a second one for the same
    look.

    :param on_stall: told for how many seconds the look has not come back, at the time-out and then ever more seldom.
    :raises RuntimeError: if there is no thread left.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Seen] = loop.create_future()

    def run() -> None:
        try:
            seen = look()
        except BaseException as error:
            _tell(loop, answer, answer.set_exception, error)
        else:
            _tell(loop, answer, answer.set_result, seen)

    Thread(target=run, name="dirops-look", daemon=True).start()
    began = loop.time()
    while True:
        done, _ = await asyncio.wait({answer}, timeout=timeout)
        if done:
            return answer.result()
        on_stall(loop.time() - began)
        timeout = min(2 * timeout, 3600.0)


def _tell(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any], say: Callable[[Any], None], what: Any) -> None:
    def tell() -> None:
        if not answer.done():  # nobody waits for it any more
            say(what)

    with suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(tell)
