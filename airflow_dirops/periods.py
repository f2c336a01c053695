"""The calendar's periods in a time zone: which there are, when each begins, and which follows.

A period is named by what a clock on the wall shows when it begins, as a datetime without a zone: the day
``2026-03-29 00:00``. Where clocks change that reading may come twice, late or never, so every period begins at the
first instant whose reading is that or a later one. Periods then follow one another without a gap, each once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

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

UNITS = {unit.name: unit for unit in (DAY,)}


@dataclass(frozen=True)
class Calendar:
    """The periods of one unit in one zone."""

    unit: Unit
    zone: tzinfo

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
