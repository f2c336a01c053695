"""The timetable behind ``daily_partitions`` and its like: cron says when runs start, the calendar what they are for.

Airflow's own ``CronPartitionTimetable`` finds a run's partition by stepping cron back by a tick, and where clocks
change that loses a day and takes another one twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow._shared.timezones.timezone import convert_to_utc, parse_timezone, utcnow
from airflow.exceptions import AirflowTimetableInvalid, InvalidPartitionKeyError
from airflow.timetables.base import DagRunInfo
from airflow.timetables.trigger import CronPartitionTimetable

from airflow_dirops.calendar.formats import DAILY, fault_with, period_named, write_name
from airflow_dirops.calendar.periods import Calendar, calendar_of

if TYPE_CHECKING:
    from airflow.timetables.base import TimeRestriction
    from pendulum import DateTime
    from pendulum.tz.timezone import FixedTimezone, Timezone

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_.~:+-]")
_A_TICK = timedelta(seconds=1)  # cron's are at whole seconds


class PartitionTimetable(CronPartitionTimetable):
    """Runs for each period of the calendar once, in order, at the first tick of cron after the period is due.

    A period is due when it has ended (``run_offset=-1``), when it begins (``0``), or so many periods away from that.
    If several are due at one tick, as on a Monday for a weekday's cron, each has a run of its own.

    :param cron: when to run, as a cron expression or preset.
    :param timezone: where the cron expression and the calendar are meant.
    :param run_offset: the period to run for, counted from the one in which it is due.
    :param run_immediately: whether a DAG without ``start_date`` runs at once when it is first switched on.
    :param key_format: how a period becomes a partition key.
    :param period: the length of a period, "hour", "day", "week" or "month".
    """

    def __init__(
        self,
        cron: str,
        *,
        timezone: str | Timezone | FixedTimezone,
        run_offset: int = -1,
        run_immediately: bool | timedelta = False,
        key_format: str = DAILY,
        period: str = "day",
    ) -> None:
        super().__init__(
            cron, timezone=timezone, run_offset=run_offset, run_immediately=run_immediately, key_format=key_format
        )
        self._calendar = calendar_of(period, self._timezone)
        if self.description:
            self.description += f", for each {period} once"

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> PartitionTimetable:
        """Build the timetable that :meth:`serialize` described."""
        from airflow.serialization.decoders import decode_run_immediately

        return cls(
            data["expression"],
            timezone=parse_timezone(data["timezone"]),
            run_offset=data["run_offset"],
            run_immediately=decode_run_immediately(data["run_immediately"]),
            key_format=data["key_format"],
            period=data["period"],
        )

    def serialize(self) -> dict[str, Any]:
        """What the scheduler needs to build this timetable again."""
        return {**super().serialize(), "period": self._calendar.kind}

    def __eq__(self, other: object) -> bool:
        """Whether the same runs come of both."""
        return isinstance(other, PartitionTimetable) and self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash((self._expression, self._timezone))

    @property
    def timezone(self) -> Timezone | FixedTimezone:
        """Where the cron expression and the calendar are meant."""
        return self._timezone

    @property
    def calendar(self) -> Calendar:
        """The periods that there are runs for."""
        return self._calendar

    @property
    def partition_format(self) -> str:
        """How a period's folder is named."""
        return self._key_format

    def validate(self) -> None:
        """Refuse a cron expression that never comes true, and a format that folds two periods into one folder."""
        super().validate()
        try:
            self._tick(utcnow())
        except ValueError as error:
            raise AirflowTimetableInvalid(f"the cron expression {self._expression!r} never comes true") from error
        if fault := fault_with(self._key_format, self._calendar):
            raise AirflowTimetableInvalid(f"partition_format={self._key_format!r} cannot name partitions: {fault}")

    def due_key(self, instant: datetime) -> str:
        """The partition that was the last to become due before an instant: what a run by hand works on.

        :param instant: when the run was asked for.
        """
        return write_name(self._last_due(instant), self._key_format)

    def generate_run_id(self, *, partition_key: str | None = None, **run: Any) -> str:
        """The id of a new run. Airflow takes none with a slash or a space in it, which a key may have."""
        return super().generate_run_id(partition_key=_NOT_IN_IDS.sub("_", partition_key or ""), **run)

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The run after the last one."""
        period = self._next_period(last_dagrun_info, restriction)
        run_after = self._run_after(period)
        if restriction.latest is not None and run_after > restriction.latest:
            return None
        return self._info(period, run_after)

    def iter_partition_dagrun_infos(self, *, earliest: datetime, latest: datetime) -> Iterable[DagRunInfo]:
        """The periods that begin within a range, for a backfill. Each may run as soon as it is due.

        :param earliest: the first moment of the range, as a clock in the timetable's zone shows it.
        :param latest: the last moment of the range, likewise.
        """
        last = self.localize_partition_datetime(latest)
        for period in self._from(self.localize_partition_datetime(earliest)):
            if self._calendar.begins(period) > last:
                return
            yield self._info(period, convert_to_utc(self._due(period)))

    def _from(self, earliest: datetime) -> Iterator[datetime]:
        period = self._calendar.containing(earliest)
        # By what the clock shows: one that is put back shows a midnight twice, and the range begins with the first.
        begins, first = (each.astimezone(self._timezone) for each in (self._calendar.begins(period), earliest))
        if begins.replace(tzinfo=None) < first.replace(tzinfo=None):
            period = self._calendar.later(period, 1)
        while True:
            yield period
            period = self._calendar.later(period, 1)

    def _decode_partition_date(self, partition_key: str) -> datetime:
        try:
            return self._calendar.begins(period_named(partition_key, self._key_format, self._calendar))
        except (ValueError, OverflowError) as error:
            raise InvalidPartitionKeyError(
                f"Partition key {partition_key!r} is no {self._calendar.kind} as {self._key_format!r} writes it, "
                f"such as {self.due_key(utcnow())!r}: {error}"
            ) from error

    def _next_period(self, last: DagRunInfo | None, restriction: TimeRestriction) -> datetime:
        candidates = []
        if last is not None:
            candidates.append(self._calendar.later(self._period_of(last), 1))
        elif restriction.earliest is None:
            candidates.append(self._first_period())
        if restriction.earliest is not None:
            candidates.append(self._first_run_from(restriction.earliest))
        if not restriction.catchup:
            candidates.append(self._last_run_until(utcnow()))
        return max(candidates, key=self._calendar.begins)

    def _first_period(self) -> datetime:
        now = utcnow()
        return self._last_run_until(now) if self._run_immediately else self._first_run_from(now)

    def _first_run_from(self, instant: datetime) -> datetime:
        """The first period that runs at an instant or later."""
        period = self._last_due(instant)
        while self._run_after(period) >= instant:
            period = self._calendar.later(period, -1)
        return self._first_after(period, instant)

    def _first_after(self, period: datetime, instant: datetime) -> datetime:
        while self._run_after(period) < instant:
            period = self._calendar.later(period, 1)
        return period

    def _last_run_until(self, instant: datetime) -> datetime:
        """The first of the periods that run at cron's last tick before an instant."""
        period = self._last_due(instant)
        while (tick := self._run_after(period)) > instant:
            period = self._calendar.later(period, -1)
        return self._first_run_from(tick)

    def _period_of(self, run: DagRunInfo) -> datetime:
        # the database may still have runs of another schedule, or some whose partition was cleared
        return self._calendar.containing(run.partition_date) if run.partition_date else self._last_due(run.run_after)

    def _last_due(self, instant: datetime) -> datetime:
        return self._calendar.later(self._calendar.containing(instant), self._run_offset)

    def _due(self, period: datetime) -> datetime:
        return self._calendar.begins(self._calendar.later(period, -self._run_offset))

    def _run_after(self, period: datetime) -> DateTime:
        return self._tick(self._due(period))

    def _tick(self, instant: datetime) -> DateTime:
        """Cron's first tick at an instant or later; one that the clocks skip is moved as Airflow does it."""
        return self._get_next(convert_to_utc(instant - _A_TICK))

    def _info(self, period: datetime, run_after: DateTime) -> DagRunInfo:
        return DagRunInfo(
            run_after=run_after,
            data_interval=None,
            partition_date=convert_to_utc(self._calendar.begins(period)),
            partition_key=write_name(period, self._key_format),
        )
