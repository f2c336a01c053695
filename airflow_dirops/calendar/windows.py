"""Which partitions a roll-up takes: the last seven, those of a week, or from one to another.

Nothing here needs Airflow: ``partitions(…, until=…)`` is a source for the core's functions too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Any, Literal
from zoneinfo import ZoneInfo

from airflow_dirops.calendar.formats import DAILY, example_name, fault_of, has_offset, read_name, write_name
from airflow_dirops.calendar.hours import AN_HOUR, iter_hours, iter_hours_back
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.stage.partitions import (
    MAX_PARTITIONS,
    PLACEHOLDER,
    Partitions,
    PartitionsLike,
    problems_of_names,
)

Span = Literal["day", "week", "month", "year"]

# So far ahead of UTC is no clock.
_FARTHEST_AHEAD = timedelta(hours=14)

_FLOORS: dict[str, Callable[[datetime], datetime]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "year": lambda day: day.replace(month=1, day=1),
}
_LONGEST = {"day": 1, "week": 7, "month": 31, "year": 366}


@dataclass(frozen=True, kw_only=True)
class PartitionWindow(PartitionsLike):
    """What :func:`partitions` asks for, until it is known for which run."""

    path: str
    last: int | None = None
    of: Span | None = None
    since: str | None = None
    until: str | None = None
    names: tuple[str, ...] | None = None
    missing: Literal["fail", "allow", "wait"] = "fail"
    partition_format: str | None = None
    timezone: str | None = None
    given: Any = field(default=None, compare=False)
    """What the path was taken from, which may be an asset: that says what it is below."""

    def __post_init__(self) -> None:
        if findings := list(self._problems()):
            raise ArgumentRefused("these partitions cannot be a source", findings)

    def __repr__(self) -> str:
        given = ", ".join(
            f"{name}={value!r}" for name, value in vars(self).items() if name not in ("path", "given") and value
        )
        return f"partitions({self.path!r}, {given})"

    @property
    def waits(self) -> bool:
        return self.missing == "wait"

    @property
    def asks_run(self) -> bool:
        """Whether which they are depends on the run's partition."""
        return self.until is None and self.names is None

    def settle(
        self,
        run: str | None = None,
        run_format: str | None = DAILY,
        now: datetime | None = None,
        zone: tzinfo | None = None,
    ) -> Partitions:
        """The partitions themselves.

        :param run: the partition of the run that asks: its end is the window's, where that has no ``until``.
        :param run_format: how the run's partition is named, and those of the window unless it says otherwise.
        :param now: for what has not begun; the current time in UTC if left out.
        :param zone: of the schedule of the run, where the window does not say another.
        :raises ArgumentRefused: if there is no such window, or it lies in the future.
        """
        missing: Literal["fail", "allow"] = "allow" if self.missing == "allow" else "fail"
        if self.names is not None:
            return Partitions(self.path, self.names, missing)
        form = self.partition_format or run_format
        if form is None:
            raise ArgumentRefused(
                f"{self!r} counts partitions, and those here have any names; give it partition_format=, or name them "
                "with names="
            )
        first, last = self._end(run, run_format, form)
        try:
            names = list(islice(self._names(first, last, form, self._zone(form, zone)), MAX_PARTITIONS + 1))
        except OverflowError as error:
            raise ArgumentRefused(f"{self!r} goes on beyond the years 1 to 9999; take fewer") from error
        if not self.waits and self.missing == "fail":
            self._refuse_future(names, form, now or datetime.now(UTC))
        return Partitions(self.path, tuple(names), missing)

    def _end(self, run: str | None, run_format: str | None, form: str) -> tuple[datetime, datetime]:
        """The first and the last hour of what the window ends with."""
        name, named_as = (self.until, form) if self.until is not None else (run, run_format)
        if name is None:
            raise ArgumentRefused(f"{self!r} does not say where it ends, and there is no run to say it; give until=")
        if named_as is None:
            raise ArgumentRefused(f"{self!r} ends with the run's partition, and {name!r} is no date; give until=")
        first = _read(name, named_as)
        return first, _last_hour(first, named_as)

    def _zone(self, form: str, zone: tzinfo | None) -> tzinfo | None:
        """Where clocks are read; None for names that are readings and no more."""
        if not has_offset(form):
            return None
        if self.timezone is None and zone is None:
            raise ArgumentRefused(
                f"{self!r} counts hours that are named with their offset from UTC, and which there are depends on "
                "where the clock is; give timezone=, such as timezone='Europe/Berlin'"
            )
        return ZoneInfo(self.timezone) if self.timezone is not None else zone

    def _names(self, first: datetime, last: datetime, form: str, zone: tzinfo | None) -> Iterator[str]:
        if self.last is not None:
            return islice(_distinct(iter_hours_back(last, zone), form), min(self.last, MAX_PARTITIONS + 1))
        if self.since is not None:
            begin = _read(self.since, form)
            if next(iter_hours(begin, last, zone), None) is None:
                raise ArgumentRefused(f"{self!r} ends with {write_name(last, form)!r}, before it begins; swap them")
        elif self.of is not None:
            begin = _FLOORS[self.of](first.replace(hour=0, minute=0, second=0, tzinfo=None))
            last = _last_in(begin, self.of)
        else:
            begin = first
        return _distinct(iter_hours(begin, last, zone), form)

    def _refuse_future(self, names: list[str], form: str, now: datetime) -> None:
        if ahead := [name for name in names if _instant(read_name(name, form)) > now]:
            raise ArgumentRefused(
                f"{self!r} takes {ahead[0]!r}{f' and {len(ahead) - 1} more' if ahead[1:] else ''}, which lies in the "
                "future; run it when that is over, or let it go on without with missing='allow', or wait with "
                "missing='wait'"
            )

    def _problems(self) -> Iterator[str]:
        if PLACEHOLDER not in self.path:
            yield f"the path {self.path!r} has no {PLACEHOLDER} in it, so all of them would be one folder; put it in"
        if self.missing not in ("fail", "allow", "wait"):
            yield f"missing={self.missing!r} is none of 'fail', 'allow', 'wait'"
        if self.last is not None and (type(self.last) is not int or self.last < 1):
            yield f"last={self.last!r} is no number of partitions; the least is 1"
        if self.of is not None and self.of not in _FLOORS:
            yield f"of={self.of!r} is none of {', '.join(map(repr, _FLOORS))}"
        if self.timezone is not None and (fault := fault_of_zone(self.timezone)):
            yield f"timezone={self.timezone!r} is not known: {fault}; give a name such as 'Europe/Berlin'"
        if sum(each is not None for each in (self.last, self.of, self.since, self.names)) > 1:
            yield "it can have one of last=, of=, since= and names="
        if self.names is not None:
            yield from problems_of_names(self.names)
        yield from self._problems_of_ends()

    def _problems_of_ends(self) -> Iterator[str]:
        """What is wrong with what they begin and end with, as far as no run has to say it."""
        form: Any = self.partition_format
        if form is not None and (fault := fault_of(form) if isinstance(form, str) else "it is no text"):
            yield (
                f"partition_format={form!r} cannot name folders: {fault}; leave it out where they are named as the "
                "run's own partition is"
            )
            return
        for bound in ("since", "until"):
            name: Any = getattr(self, bound)
            if name is None or (isinstance(name, str) and "{" in name):
                continue
            if not isinstance(name, str):
                yield f"{bound}={name!r} is a {type(name).__name__}; write it as its folder is named"
            elif form is not None:
                try:
                    _read(name, form)
                except ArgumentRefused as error:
                    yield f"{bound}={error}"


def partitions(
    path: str | os.PathLike[str],
    *,
    last: int | None = None,
    of: Span | None = None,
    since: str | None = None,
    until: str | None = None,
    names: Iterable[str] | None = None,
    missing: Literal["fail", "allow", "wait"] = "fail",
    partition_format: str | None = None,
    timezone: str | None = None,
) -> PartitionWindow:
    """Several partitions of one target, as the source of a stage: ``partitions("interim/csv/{partition}", last=7)``.

    With none of ``last``, ``of``, ``since`` and ``names`` these are all that lie in the run's own partition: the days
    of its week, where a run is for a week.

    :param path: of a target, with ``{partition}`` in it; or its asset.
    :param last: so many, ending with the run's partition, or with ``until``.
    :param of: those of the day, week, month or year that the run's partition begins in.
    :param since: the first of them; the last is the run's, or ``until``.
    :param until: the last of them, as its folder is named; needed where no run says it, as in scripts.
    :param names: the names themselves, in place of all these.
    :param missing: of partitions that no stage committed: "fail"; "allow" them, and list them in the manifest; or, in
        operators, "wait" for them without occupying a worker.
    :param partition_format: how their folders are named, as in ``strftime``; by default as the asset
        says, or as the run's partition is.
    :param timezone: where clocks are read, for hours that are named with their offset from UTC (``%z``); by default
        that of the schedule. Scripts need it.
    :raises ArgumentRefused: if these cannot be a source.
    """
    given: Any = names
    if isinstance(given, str):
        raise ArgumentRefused(f"names={given!r} is one text; give a list of them, such as [{given!r}]")
    return PartitionWindow(
        path=os.fsdecode(path),
        last=last,
        of=of,
        since=since,
        until=until,
        names=None if names is None else tuple(names),
        missing=missing,
        partition_format=getattr(path, "partition_format", None) if partition_format is None else partition_format,
        timezone=timezone,
        given=path,
    )


def _read(name: str, form: str) -> datetime:
    try:
        return read_name(name, form)
    except ValueError as error:
        raise ArgumentRefused(
            f"{name!r} names no partition as {form!r} writes them, such as {example_name(form)!r}"
        ) from error


def _last_hour(first: datetime, form: str) -> datetime:
    name, hour = write_name(first, form), first
    while write_name(hour + AN_HOUR, form) == name:
        hour += AN_HOUR
    return hour


def _last_in(begin: datetime, of: Span) -> datetime:
    days = (begin + timedelta(days=count) for count in range(_LONGEST[of], 0, -1))
    return next(day - AN_HOUR for day in days if _FLOORS[of](day - timedelta(days=1)) == begin)


def _instant(begin: datetime) -> datetime:
    """When a partition begins; where its clock is not known, in the zone that is farthest ahead."""
    return begin if begin.tzinfo else begin.replace(tzinfo=UTC) - _FARTHEST_AHEAD


def fault_of_zone(name: str) -> str | None:
    """Why a name is that of no zone, if so."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError) as error:
        return str(error) or type(error).__name__
    return None


def _distinct(hours: Iterator[datetime], form: str) -> Iterator[str]:
    """The names of partitions, of which none is shorter than an hour, each once."""
    before = None
    for hour in hours:
        if (name := write_name(hour, form)) != before:
            yield name
            before = name
