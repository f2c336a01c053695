"""Checks that most stages want: counts beside those of the snapshot before, every record, a mean that drifts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeAlias

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.messages.counted import counted
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.snapshot.record import Record
from airflow_dirops.core.stage.policies import share_of

Check: TypeAlias = Callable[[Snapshot, Snapshot | None], Iterable[str]]

_MOST_FOUND = 50


def at_least(files: int) -> Check:
    """At least so many files."""

    def at_least(snapshot: Snapshot, base: Snapshot | None) -> Iterator[str]:
        del base
        if len(snapshot) < files:
            yield f"it has {counted(len(snapshot), 'file')}, and at least {files} are expected"

    return _told_as(f"at_least({files!r})", at_least)


def at_most_fewer(share: str) -> Check:
    """Not more than so many percent fewer files than the snapshot before; without one it lets everything through.

    :param share: such as ``"5%"``.
    """
    allowed = _share(share)

    def at_most_fewer(snapshot: Snapshot, base: Snapshot | None) -> Iterator[str]:
        before = len(base) if base is not None else 0
        if before - len(snapshot) > before * allowed:
            fewer = 100 * (before - len(snapshot)) / before
            yield (
                f"it has {counted(len(snapshot), 'file')}, {fewer:.3g}% fewer than the {before} of the snapshot "
                f"before; {share} may go"
            )

    return _told_as(f"at_most_fewer({share!r})", at_most_fewer)


def at_most_quarantined(share: str) -> Check:
    """Not more than so many percent of the inputs failed.

    :param share: such as ``"1%"``.
    """
    allowed = _share(share)

    def at_most_quarantined(snapshot: Snapshot, base: Snapshot | None) -> Iterator[str]:
        del base
        counts = snapshot.manifest.counts
        if counts.quarantined > counts.inputs * allowed:
            yield f"{counts.quarantined} of {counts.inputs} inputs failed; {share} may"

    return _told_as(f"at_most_quarantined({share!r})", at_most_quarantined)


def every_record(judge: Callable[[Record], str | None]) -> Check:
    """Look at every record; one is in memory at a time.

    :param judge: says what is wrong with a record, and None where nothing is.
    """

    def every_record(snapshot: Snapshot, base: Snapshot | None) -> Iterator[str]:
        del base
        found = ((record.key, judge(record)) for record in snapshot)
        yield from islice((f"{key!r}: {what}" for key, what in found if what), _MOST_FOUND)

    return _told_as("every_record", every_record)


def steady_mean(of: Callable[[Record], float], at_most: str) -> Check:
    """The mean of a number of each record is not further than so many percent from that of the snapshot before.

    Both are read, one record at a time; without one before, or without records, it lets everything through.

    :param of: the number of a record, such as ``lambda record: record.value.mean()``.
    :param at_most: such as ``"10%"``.
    """
    allowed = _share(at_most)

    def steady_mean(snapshot: Snapshot, base: Snapshot | None) -> Iterator[str]:
        if base is None or not len(base) or not len(snapshot):
            return
        before, now = _mean(map(of, base)), _mean(map(of, snapshot))
        # What is no number compares as false, so it is asked whether it is within.
        if not abs(now - before) <= abs(before) * allowed:
            yield f"the mean is {now:.6g}, and was {before:.6g} in the snapshot before; it may differ by {at_most}"

    return _told_as(f"steady_mean(at_most={at_most!r})", steady_mean)


def _told_as(name: str, check: Check) -> Check:
    """Let messages name a check as it was asked for."""
    check.__qualname__ = name
    return check


def _mean(numbers: Iterable[Any]) -> float:
    mean = 0.0
    for count, number in enumerate(numbers, 1):
        mean += (float(number) - mean) / count
    return mean


def _share(text: str) -> float:
    try:
        return share_of(text)
    except ValueError:
        raise ArgumentRefused(f"{text!r} is no percentage, such as '5%'") from None
