"""The descriptors of this process, of which a test leaves it only a few."""

from __future__ import annotations

import os
from itertools import count


def open_descriptors() -> list[int]:
    """Those that are open, but for the one that it takes to look."""
    listing = os.open("/proc/self/fd", os.O_RDONLY)
    try:
        return sorted(set(map(int, os.listdir(listing))) - {listing})
    finally:
        os.close(listing)


def left_open(before: list[int]) -> list[int]:
    """What was opened since, and is open still. What another test left to be collected may be closed meanwhile.

    :param before: what was open then.
    """
    return sorted(set(open_descriptors()) - set(before))


def limit_that_leaves(free: int) -> int:
    """The ``RLIMIT_NOFILE`` under which so many more can be opened, whatever is open, and under which numbers."""
    taken = set(open_descriptors())
    unused = (number for number in count() if number not in taken)
    return next(number for place, number in enumerate(unused) if place == free)
