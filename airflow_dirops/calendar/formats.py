"""How a partition's name is written from a date, and read back.

A format is one of ``strftime``. It is refused where the DAG file has it if it writes what it cannot read, or gives
one name to dates that do not belong together, so that no door has to refuse later what another one took.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

from airflow_dirops.calendar.periods import Calendar
from airflow_dirops.core.stage.locations import leftover_in

DAILY = "%Y-%m-%d"
"""How a day's folder is named."""

HOURLY = "%Y-%m-%dT%H"
"""How an hour's folder is named, where clocks are never put back."""

WEEKLY = "%G-W%V"
"""How a week's folder is named: by the year and the number that ISO 8601 gives to it."""

MONTHLY = "%Y-%m"
"""How a month's folder is named."""

LONGEST = 250  # what Airflow's database keeps of a partition key
_OWN_FOLDER = "_dirops"

# strptime needs a weekday to make a date of a week; the day that begins it is tried first
_WEEKDAYS = tuple((" %u", f" {day}") for day in (1, 7, 2, 3, 4, 5, 6))
_YEARS = (2000, 2019, 2020, 2026, 2027, 2032)
_DAYS = (
    (1, 1),
    (1, 2),
    (1, 3),
    (1, 4),
    (1, 11),
    (2, 28),
    (3, 1),
    (6, 15),
    (10, 9),
    (11, 12),
    (12, 29),
    (12, 30),
    (12, 31),
)
_A_YEAR = timedelta(days=366)
_TIMES = ((0, 0, 0), (1, 2, 3), (13, 5, 59))


def write_name(moment: datetime, partition_format: str) -> str:
    """The name of the partition that a moment lies in.

    :param moment: what a clock shows.
    """
    return moment.strftime(partition_format)


def example_name(partition_format: str) -> str:
    """A name as a format writes it, for a message."""
    return write_name(_told_from_utc(datetime(2026, 11, 26), partition_format), partition_format)


def has_offset(partition_format: str) -> bool:
    """Whether names hold the offset from UTC."""
    return "%z" in partition_format.replace("%%", "")


def tells_hours(partition_format: str) -> bool:
    """Whether the hours of a day have names of their own."""
    morning = _told_from_utc(datetime(2026, 11, 26), partition_format)
    return write_name(morning, partition_format) != write_name(morning.replace(hour=13), partition_format)


def read_name(name: str, partition_format: str) -> datetime:
    """The date that a name stands for; the first one, where it stands for several.

    :raises ValueError: if the format does not write this name.
    """
    failure: Exception | None = None
    for more_format, more_text in (("", ""), *_WEEKDAYS):
        try:
            moment = datetime.strptime(name + more_text, partition_format + more_format)
        except (ValueError, re.error) as error:  # a directive that is there already
            failure = failure or error
            continue
        # strptime alone also takes "2026-1-1", which is another folder
        if (moment.tzinfo is not None) == has_offset(partition_format) and write_name(moment, partition_format) == name:
            return moment
    raise ValueError(failure or f"{partition_format!r} writes no date so")


def unsafe(name: str) -> str | None:
    """Why a name cannot become part of a path, if so."""
    if not name.strip() or name.strip() == "None":
        return "it is empty"
    if name != name.strip():
        return "it begins or ends with a space"
    if len(name) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    if not name.isprintable():
        return "it contains a character that cannot be printed"
    return next((reason for part in name.split("/") if (reason := _unsafe_component(part))), leftover_in(name))


def _unsafe_component(part: str) -> str | None:
    if not part:
        return "it is absolute, or has an empty part"
    if part in (".", ".."):
        return "it leads to another folder"
    if part.startswith("."):
        return "hidden names are never read"
    if part == _OWN_FOLDER:
        return f"{_OWN_FOLDER} holds the manifest"
    return "a part of it is longer than 255 bytes" if len(part.encode()) > 255 else None


@cache
def fault_of(partition_format: str) -> str | None:
    """What is wrong with a format, if anything is.

    :param partition_format: the format, whatever the length of its periods.
    """
    for moment in _sample_moments():
        if fault := _fault_at(partition_format, _told_from_utc(moment, partition_format)):
            return fault
    return None


@cache
def fault_with(partition_format: str, calendar: Calendar) -> str | None:
    """What is wrong with a format for the periods of a calendar: two must not share a name.

    :param partition_format: the format of a schedule.
    :param calendar: the periods that the schedule runs for.
    """
    if fault := fault_of(partition_format):
        return fault
    for period in sorted({calendar.at(moment) for moment in _sample_moments()}):
        if fault := _misread(period, partition_format, calendar):
            return fault
        for one, other in pairwise((calendar.later(period, -1), period, calendar.later(period, 1))):
            if fault := _shared(one, other, partition_format, calendar):
                return fault
    for one, other in calendar.doubled():
        if fault := _shared(one, other, partition_format, calendar):
            return (
                f"{fault} as clocks are put back. Write %z behind %H, for the offset from UTC, as in "
                f"{HOURLY + '%z'!r}, or give the schedule a timezone whose clocks are never put back, such as 'UTC'"
            )
    return None


def _misread(period: datetime, partition_format: str, calendar: Calendar) -> str | None:
    name = write_name(period, partition_format)
    try:
        is_read = calendar.at(read_name(name, partition_format)) == period
    except ValueError:
        is_read = False
    return None if is_read else f"it writes {name!r} for the {calendar.kind} {_shown(period)}, and cannot read that"


def _shared(one: datetime, other: datetime, partition_format: str, calendar: Calendar) -> str | None:
    if (name := write_name(one, partition_format)) != write_name(other, partition_format):
        return None
    return f"two {calendar.kind}s, {_shown(one)} and {_shown(other)}, would share the folder {name!r}"


def _shown(period: datetime) -> str:
    return f"{period:%Y-%m-%d}" if period.tzinfo is None else period.isoformat(timespec="minutes")


def _told_from_utc(moment: datetime, partition_format: str) -> datetime:
    return moment.replace(tzinfo=UTC) if has_offset(partition_format) else moment


def period_named(name: str, partition_format: str, calendar: Calendar) -> datetime:
    """The period that a name stands for.

    :raises ValueError: if the format writes no period of this calendar so.
    """
    period = calendar.at(read_name(name, partition_format))
    if (own := write_name(period, partition_format)) != name:
        raise ValueError(f"no {calendar.kind} is named so; {own!r} is one")
    return period


def _fault_at(partition_format: str, moment: datetime) -> str | None:
    try:
        name = write_name(moment, partition_format)
    except ValueError as error:
        return f"it cannot write {moment:%Y-%m-%d}: {error}"
    if reason := unsafe(name):
        return f"for {moment:%Y-%m-%d} it writes {name!r}, which cannot be a folder: {reason}"
    try:
        first = read_name(name, partition_format)
    except ValueError as error:
        return f"it writes {name!r} for {moment:%Y-%m-%d %H:%M}, and cannot read that back ({error})"
    if abs(moment - first) > _A_YEAR:
        return f"{first:%Y-%m-%d} and {moment:%Y-%m-%d} would share the folder {name!r}: it names no year"
    for between in _between(first, moment):
        if write_name(between, partition_format) != name:
            return (
                f"{first:%Y-%m-%d %H:%M} and {moment:%Y-%m-%d %H:%M} would share the folder {name!r}, though other "
                "folders lie between them"
            )
    return None


def _between(first: datetime, moment: datetime) -> Iterator[datetime]:
    for share in (0.13, 0.31, 0.5, 0.77):
        yield first + (moment - first) * share


def _sample_moments() -> Iterator[datetime]:
    for year in _YEARS:
        for month, day in _DAYS:
            for hour, minute, second in _TIMES:
                yield datetime(year, month, day, hour, minute, second)


def last_ended(reading: datetime, partition_format: str) -> str | None:
    """The name before the one that a reading of the clock lies in: of the last day, week, or hour that has ended.

    :param reading: what the clock shows now, with its zone.
    :returns: None if a year of hours all have one name.
    """
    now, instant = write_name(reading, partition_format), reading.astimezone(UTC)
    for hours in range(1, 367 * 24):
        with suppress(OverflowError):
            name = write_name((instant - timedelta(hours=hours)).astimezone(reading.tzinfo), partition_format)
            if name != now:
                return name
    return None
