"""The calendar's periods in a time zone: which there are, when each begins, and which follows.

A period is named by what a clock on the wall shows when it begins, as a datetime without a zone: the day
``2026-03-29 00:00``. Where clocks change that reading may come twice, late or never, so every period begins at the
first instant whose reading is that or a later one. Periods then follow one another without a gap, each once.

An hour is named by its reading and the offset from UTC together, as a datetime with that offset: where clocks are put
back, 02:00+0200 and 02:00+0100 are two hours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from typing import ClassVar

_RESOLUTION = timedelta(seconds=1)  # clocks change at whole seconds


@dataclass(frozen=True)
class Unit:
    """A kind of period.

    :param name: what one is called.
    :param floor: the period that a reading lies in.
    :param step: the period so many later, or earlier.
    """

    name: str
    floor: Callable[[datetime], datetime]
    step: Callable[[datetime, int], datetime]


DAY = Unit(
    "day",
    floor=lambda reading: reading.replace(hour=0, minute=0, second=0, microsecond=0, fold=0),
    step=lambda day, count: day + timedelta(days=count),
)

WEEK = Unit(
    "week",
    floor=lambda reading: DAY.floor(reading) - timedelta(days=reading.weekday()),
    step=lambda monday, count: monday + timedelta(weeks=count),
)


def _month_later(month: datetime, count: int) -> datetime:
    years, months = divmod(month.month - 1 + count, 12)
    return month.replace(year=month.year + years, month=months + 1)


MONTH = Unit("month", floor=lambda reading: DAY.floor(reading).replace(day=1), step=_month_later)

UNITS = {unit.name: unit for unit in (DAY, WEEK, MONTH)}
HOUR = "hour"
_AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Calendar(ABC):
    """The periods of one length in one zone.

    :param zone: where clocks are read.
    """

    zone: tzinfo

    @property
    @abstractmethod
    def kind(self) -> str:
        """What one of the periods is called."""

    @abstractmethod
    def at(self, reading: datetime) -> datetime:
        """The period that a clock's reading lies in; the first one, where the clock shows it twice.

        :param reading: without an offset, or with the one that is meant.
        """

    @abstractmethod
    def begins(self, period: datetime) -> datetime:
        """The instant at which a period begins, in UTC.

        :raises ValueError: if the zone has no such period.
        """

    @abstractmethod
    def containing(self, instant: datetime) -> datetime:
        """The period that an instant lies in."""

    @abstractmethod
    def later(self, period: datetime, count: int) -> datetime:
        """The period so many later, or earlier if the count is negative."""

    def doubled(self) -> Iterator[tuple[datetime, datetime]]:
        """Pairs of periods that a clock shows alike, the second right after the first."""
        yield from ()


@dataclass(frozen=True)
class Dates(Calendar):
    """Days, and what is made of whole days.

    :param unit: how long the periods are.
    """

    unit: Unit

    @property
    def kind(self) -> str:
        """What one of the periods is called."""
        return self.unit.name

    def at(self, reading: datetime) -> datetime:
        """The period that a clock's reading lies in."""
        return self.unit.floor(reading.replace(tzinfo=None))

    def begins(self, period: datetime) -> datetime:
        """The instant at which a period begins, in UTC."""
        readings = (period.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        early, late = sorted(readings)
        if self._reading(early) >= period:
            return early
        while late - early > _RESOLUTION:  # the clocks skip this reading: find the instant at which they do
            middle = early + (late - early) // 2
            early, late = (middle, late) if self._reading(middle) < period else (early, middle)
        return late.replace(microsecond=0)

    def containing(self, instant: datetime) -> datetime:
        """The period that an instant lies in."""
        period = self.unit.floor(self._reading(instant))
        while self.begins(period) > instant:
            period = self.unit.step(period, -1)
        while self.begins(following := self.unit.step(period, 1)) <= instant:
            period = following
        return period

    def later(self, period: datetime, count: int) -> datetime:
        """The period so many later, or earlier if the count is negative.

        Those that a zone never had are left out: the day that Samoa skipped when it crossed the date line.
        """
        direction = 1 if count > 0 else -1
        for _ in range(abs(count)):
            period = self.unit.step(period, direction)
            while self.begins(period) == self.begins(self.unit.step(period, 1)):
                period = self.unit.step(period, direction)
        return period

    def _reading(self, instant: datetime) -> datetime:
        shown = instant.astimezone(self.zone)
        # a plain one, also where Airflow hands over one of pendulum's
        return datetime.combine(shown.date(), shown.time().replace(fold=0))


@dataclass(frozen=True)
class Hours(Calendar):
    """Hours, as clocks count them: where they change by half an hour, some hours last only half as long."""

    kind: ClassVar[str] = HOUR

    def at(self, reading: datetime) -> datetime:
        """The hour that a clock's reading lies in."""
        if reading.tzinfo is None:
            return self.containing(reading.replace(tzinfo=self.zone).astimezone(UTC))
        return reading.replace(minute=0, second=0, microsecond=0)

    def begins(self, period: datetime) -> datetime:
        """The instant at which an hour begins, in UTC.

        :raises ValueError: if clocks never show this hour with this offset.
        """
        offset, full = period.utcoffset(), period.astimezone(UTC)
        if self._offset(full) == offset:
            return full
        if self._offset(full + _AN_HOUR - _RESOLUTION) != offset:
            raise ValueError(f"clocks in {self.zone} show no {period.isoformat(timespec='minutes')}")
        return _change(self._offset, full, full + _AN_HOUR - _RESOLUTION)

    def containing(self, instant: datetime) -> datetime:
        """The hour that an instant lies in."""
        shown = instant.astimezone(self.zone)
        return datetime.combine(shown.date(), time(shown.hour), timezone(self._offset(instant)))

    def later(self, period: datetime, count: int) -> datetime:
        """The hour so many later, or earlier if the count is negative."""
        for _ in range(abs(count)):
            period = self.containing(self._ends(period) if count > 0 else self.begins(period) - _RESOLUTION)
        return period

    def doubled(self) -> Iterator[tuple[datetime, datetime]]:
        """Hours that come twice as clocks are put back, since the year 2000 and as far as is known."""
        for early, late in ((week, week + timedelta(weeks=1)) for week in _weeks()):
            if self._offset(late) < self._offset(early):
                change = _change(self._offset, early, late)
                span = self._offset(early) - self._offset(late)
                last = self.containing(change - _RESOLUTION)
                for hour in (self.containing(change), self.containing(change + span - _RESOLUTION)):
                    before = hour.replace(tzinfo=last.tzinfo)
                    if before <= last:
                        yield before, hour

    def _ends(self, period: datetime) -> datetime:
        full = period.astimezone(UTC) + _AN_HOUR
        if self._offset(full - _RESOLUTION) == period.utcoffset():
            return full
        return _change(self._offset, self.begins(period), full - _RESOLUTION)

    def _offset(self, instant: datetime) -> timedelta:
        offset = instant.astimezone(self.zone).utcoffset()
        return offset if offset is not None else timedelta()


def calendar_of(kind: str, zone: tzinfo) -> Calendar:
    """The calendar with periods of one kind.

    :param kind: "hour", "day", "week" or "month".
    :param zone: where clocks are read.
    """
    return Hours(zone) if kind == HOUR else Dates(zone, UNITS[kind])


def _weeks() -> Iterator[datetime]:
    week = datetime(2000, 1, 1, tzinfo=UTC)
    while week.year < 2038:
        yield week
        week += timedelta(weeks=1)


def _change(offset: Callable[[datetime], timedelta], early: datetime, late: datetime) -> datetime:
    """The first instant at which the clocks have the offset of the later one."""
    while late - early > _RESOLUTION:
        middle = early + (late - early) // 2
        early, late = (early, middle) if offset(middle) == offset(late) else (middle, late)
    return late.replace(microsecond=0)
