"""Which partitions a stage should have between two dates, going by how those that it has are named.

For whoever looks at folders without their DAG: the schedule knows better, and need not be asked here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import islice

from airflow_dirops.calendar.formats import DAILY, HOURLY, MONTHLY, WEEKLY, read_name, write_name
from airflow_dirops.calendar.hours import AN_HOUR, iter_hours
from airflow_dirops.core.errors import ArgumentRefused

USUAL = (
    *(DAILY, "%Y/%m/%d", "%Y%m%d", "%Y_%m_%d"),
    *(HOURLY, "%Y-%m-%d/%H", "%Y/%m/%d/%H", "%Y-%m-%d-%H", "%Y-%m-%d_%H", "%Y%m%dT%H"),
    *(WEEKLY, MONTHLY, "%Y/%m", "%Y_%m", "%Y"),
)
"""Formats that partitions mostly have; one without an offset from UTC, since that depends on where the clock is."""

_MOST_HOURS = 100 * 366 * 24
_SAMPLE = 20


def format_of(names: Sequence[str]) -> str | None:
    """The usual format that names are written in; None if there is none, or no name.

    :param names: of partitions.
    """
    step = max(1, len(names) // _SAMPLE)
    sample = [*names[::step], *names[-1:]]
    return next((each for each in USUAL if sample and all(_is_name(name, each) for name in sample)), None)


class ExpectedBetween:
    """The partitions from one date to another; called as :data:`~airflow_dirops.core.insight.states.Expected` is.

    :param first: a name in one of the usual formats, such as ``2026-11-01`` or ``2026-11``.
    :param last: likewise; all of it is meant.
    :raises ArgumentRefused: if one of them is no date, or they are the wrong way round.
    """

    def __init__(self, first: str, last: str) -> None:
        self._first = _begin(first)
        self._last = _last_hour(last)
        if self._first > self._last:
            raise ArgumentRefused(f"{first!r} is later than {last!r}; swap them")
        if (self._last - self._first) / AN_HOUR > _MOST_HOURS:
            raise ArgumentRefused(f"from {first!r} to {last!r} are more than a hundred years; take fewer")

    def __call__(self, stage: str, names: Sequence[str]) -> Collection[str] | None:
        """Those that a stage should have; None where its names are no dates.

        :param stage: its name.
        :param names: that it has.
        """
        del stage
        form = format_of(names)
        return None if form is None else _names(self._first, self._last, form)


@lru_cache(maxsize=32)
def _names(first: datetime, last: datetime, form: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(write_name(hour, form) for hour in iter_hours(first, last, None)))


def _begin(name: str) -> datetime:
    return read_name(name, _usual_format(name))


def _last_hour(name: str) -> datetime:
    form = _usual_format(name)
    hours = iter_hours(read_name(name, form), datetime.max, None)
    return max(hour for hour in islice(hours, 367 * 24) if write_name(hour, form) == name)


def _usual_format(name: str) -> str:
    if form := format_of([name]):
        return form
    raise ArgumentRefused(f"{name!r} is no date that is known here; write it as in '2026-11-01..2026-11-30'")


def _is_name(name: str, form: str) -> bool:
    try:
        read_name(name, form)
    except ValueError:
        return False
    return True
