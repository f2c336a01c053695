"""Whether a bare directory is complete: rules over what one look saw, and what the looks before it did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_dirops.core.arrival.rules import Rules
from airflow_dirops.core.format.pins import SeenListing
from airflow_dirops.core.messages.first_few import FirstFew

TICK_NS = 100_000_000
"""What may be written within one tick of a file system's clock, and so cannot be told apart by time."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look at a directory saw.

    :param at: when it began, in seconds of this machine's clock.
    :param absent: what is there in the directory's place, if it is not there.
    :param has_marker: whether the marker is there; if not, nothing else was looked at.
    :param listing: the files.
    :param newest: which of them changed last.
    :param missing: those of the expected files that are not there.
    :param dangling: links that lead nowhere.
    """

    at: float
    absent: str = ""
    has_marker: bool = True
    listing: SeenListing | None = None
    newest: str = ""
    missing: FirstFew[str] | None = None
    dangling: FirstFew[str] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether all that it saw is older than itself, so that it cannot have passed by anything as old."""
        return self.listing is None or self.listing.changed_ns < self.at * 1e9 - TICK_NS


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the looks so far have in common.

    :param state: what the last one saw.
    :param looks: how many in a row have seen just that.
    :param since: when the first of these began.
    """

    state: str = ""
    looks: int = 0
    since: float = 0.0

    def after(self, look: Look) -> Memory:
        """With one look more."""
        if (seen := look.listing) is None:
            return Memory()
        state = f"{seen.files} {seen.digest} {seen.changed_ns}"
        if state != self.state:
            return Memory(state=state, looks=1, since=look.at)
        return Memory(state=state, looks=self.looks + 1, since=self.since)


def lacking(rules: Rules, look: Look, memory: Memory) -> Iterator[str]:
    """What is missing yet, for people; nothing, if the directory is complete.

    :param memory: of the looks so far, this one included.
    """
    if look.absent:
        yield look.absent
    elif not look.has_marker:
        yield f"its marker {rules.marker!r} is not there"
    elif look.listing is not None:
        yield from _lacking_files(rules, look, look.listing)
        yield from _lacking_quiet(rules, look, look.listing, memory)


def _lacking_files(rules: Rules, look: Look, seen: SeenListing) -> Iterator[str]:
    if (missing := look.missing) and missing.count:
        yield f"of {len(rules.expected)} expected files {missing.count} are not there: {missing.phrase()}"
    if seen.files < rules.fewest:
        yield f"it has {seen.files} files that match {seen.pattern!r}, not {rules.fewest}"
    if seen.bytes < (rules.min_bytes or 0):
        yield f"its {seen.files} files have {seen.bytes} bytes, not {rules.min_bytes}"
    if (dangling := look.dangling) and dangling.count:
        yield f"{dangling.count} links in it lead nowhere: {dangling.phrase()}; what they stand for is away"


def _lacking_quiet(rules: Rules, look: Look, seen: SeenListing, memory: Memory) -> Iterator[str]:
    if rules.quiet_for is not None and seen.files:
        age = look.at - seen.changed_ns / 1e9
        # Where the file system's clock is ahead of this one, what the looks saw still tells.
        if max(age, look.at - memory.since) < rules.quiet_for:
            yield f"{look.newest!r} changed {max(age, 0):.0f} s ago, and nothing shall for {rules.quiet_for:g} s"
    if memory.looks < (rules.same_looks or 1):
        yield f"it has been the same over {memory.looks} looks in a row, not {rules.same_looks}"
    elif not look.is_settled and memory.looks < 2:
        yield f"{look.newest!r} was written while this look was under way"
