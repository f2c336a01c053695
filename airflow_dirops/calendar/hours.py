"""The hours between two, and back from one: what every window of partitions is counted in, as none is shorter.

Names without an offset from UTC are readings of a clock, and each reading comes once. Names with an offset are hours of
a zone: where clocks are put back an hour comes twice, and where they are put forward one never does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from airflow_dirops.calendar.periods import Hours

AN_HOUR = timedelta(hours=1)


def iter_hours(first: datetime, last: datetime, zone: tzinfo | None) -> Iterator[datetime]:
    """From the first to the last.

    :param first: what a clock shows; with its offset, or the first time that it shows this.
    :param last: likewise; or the last time that it shows this.
    :param zone: where the clock is, for hours with an offset.
    """
    if zone is None:
        while first <= last:
            yield first
            first += AN_HOUR
        return
    hours = Hours(zone)
    hour, end = _hour(hours, first, fold=0), hours.begins(_hour(hours, last, fold=1))
    while hours.begins(hour) <= end:
        yield hour
        hour = hours.later(hour, 1)


def iter_hours_back(last: datetime, zone: tzinfo | None) -> Iterator[datetime]:
    """The last, the one before, and so on.

    :param last: as for :func:`iter_hours`.
    """
    if zone is None:
        while last > datetime.min + AN_HOUR:
            yield last
            last -= AN_HOUR
        return
    hours = Hours(zone)
    hour = _hour(hours, last, fold=1)
    while True:
        yield hour
        hour = hours.later(hour, -1)


def _hour(hours: Hours, reading: datetime, *, fold: int) -> datetime:
    if reading.tzinfo is None:
        reading = reading.replace(tzinfo=hours.zone, fold=fold)
    return hours.containing(reading.astimezone(UTC))
