"""Which dated folder a run works on: the schedule, the trigger form, and the rules for names.

"Partition" here is one folder of a stage. It gets its name from Airflow's partition key where the run
has one, and from the trigger form or the logical date where it has not.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_dirops.core.errors import ArgumentRefused

if TYPE_CHECKING:
    from airflow.sdk import CronPartitionTimetable, Param
    from pendulum.tz.timezone import FixedTimezone, Timezone

DAILY = "%Y-%m-%d"
"""How a day's folder is named."""

FORM_FIELDS = ("partition", "full", "verify", "on_error", "dry_run")
"""What :func:`dirops_params` puts into the trigger form; the operators read these names from ``params``."""

_OWN_FOLDER = "_dirops"
_LONGEST = 250  # what Airflow's database keeps of a partition key


def daily_partitions(
    cron: str,
    *,
    timezone: str | Timezone | FixedTimezone | None = None,
    run_offset: int = -1,
    run_immediately: bool = False,
) -> CronPartitionTimetable:
    """Run on a cron schedule, each run for one day's folder: its partition key is a date, ``2026-11-01``.

    ``schedule=daily_partitions("0 2 * * *")`` runs at two at night for the day that has just ended, as the
    folder of the new day holds two hours yet. A backfill names the days themselves, whatever the offset.

    :param cron: when to run, as a cron expression or preset.
    :param timezone: where the cron expression and the dates are meant; Airflow's default if left out.
    :param run_offset: the tick whose date is the partition, counted from the one that runs: -1 is the tick
        before (of ``0 2 * * 1-5``, Friday's on a Monday), 0 the date on which the run itself takes place.
    :param run_immediately: whether a DAG without ``start_date`` runs at once when it is first switched on.
    """
    from airflow.sdk import CronPartitionTimetable

    return CronPartitionTimetable(
        cron,
        timezone=timezone or _default_timezone(),
        run_offset=run_offset,
        run_immediately=run_immediately,
        key_format=DAILY,
    )


def dirops_params() -> dict[str, Param]:
    """Fields for a DAG's trigger form: which day, what to redo, bad files, or only a plan.

    Left as they are, they change nothing. More fields can be added: ``params={**dirops_params(), ...}``.
    """
    from airflow.sdk import Param

    return {
        "partition": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Partition",
            description="The day whose folder to work on. Empty: the run's partition key or logical date.",
        ),
        "full": Param(
            False,
            type=["null", "boolean"],  # without "null" the form marks a switch as a field to be filled in
            title="Redo everything",
            description="Compute every file again, also what is unchanged.",
        ),
        "verify": Param(
            False,
            type=["null", "boolean"],
            title="Check what is kept",
            description="Compare unchanged files with their digests, and make damaged ones again.",
        ),
        "on_error": Param(
            None,
            type=["null", "string"],
            enum=[None, "fail", "quarantine"],
            values_display={"null": "As the DAG says", "fail": "Stop at the first", "quarantine": "Set them aside"},
            title="Files that fail",
            description="What to do about them. Those that are set aside are listed in the manifest.",
        ),
        "dry_run": Param(
            False,
            type=["null", "boolean"],
            title="Dry run",
            description="Only plan: log what would run and why, write nothing.",
        ),
    }


def resolve_partition(
    *,
    key: str | None,
    param: Any,
    day: datetime | None,
    partition_format: str | None = DAILY,
) -> str:
    """Decide a run's partition: its partition key, the trigger form's field, or the logical date.

    :param key: the run's partition key.
    :param param: ``params["partition"]``; one that contradicts the key is an error.
    :param day: the run's logical date, in the timezone of its schedule.
    :param partition_format: the form that dates must have; None takes any safe relative name.
    """
    if key is not None and param is not None and key != param:
        raise ArgumentRefused(
            f"This run has the partition key {key!r}, but its params say partition={param!r}. "
            "Leave the field empty, or trigger a run for the other partition."
        )
    if key is not None:
        return check_partition(key, "the run's partition key", partition_format)
    if param is not None:
        return check_partition(param, 'params["partition"]', partition_format)
    if day is not None:
        return day.strftime(partition_format or DAILY)
    raise ArgumentRefused(
        "This run names no partition: it has no partition key, no partition in its params and no logical "
        "date. Trigger it with a partition key, give the DAG params=dirops_params() and fill in the form, "
        "or set partition= on the operator."
    )


def check_partition(text: Any, origin: str, partition_format: str | None = DAILY) -> str:
    """Make sure that a partition can become part of a path.

    :param text: the partition, from anywhere.
    :param origin: where it came from, for the message.
    :param partition_format: the form that a date must have; None takes any safe relative name.
    """
    if not isinstance(text, str):
        raise ArgumentRefused(f"{origin} is {text!r}, a {type(text).__name__}; a partition is text.")
    if reason := _unsafe(text) or _malformed(text, partition_format):
        raise ArgumentRefused(f"{origin} is {text!r}, which cannot name a partition: {reason}.")
    return text


def _unsafe(text: str) -> str | None:
    if not text.strip() or text.strip() == "None":
        return "it is empty"
    if text != text.strip():
        return "it begins or ends with a space"
    if len(text) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    if not text.isprintable():
        return "it contains a character that cannot be printed"
    return next((reason for part in text.split("/") if (reason := _unsafe_component(part))), None)


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


def _malformed(text: str, partition_format: str | None) -> str | None:
    if partition_format is None:
        return None
    try:
        # strptime alone also takes "2026-1-1", which is another folder
        if datetime.strptime(text, partition_format).strftime(partition_format) == text:
            return None
    except ValueError:
        pass
    return (
        f"it is not a date as {partition_format!r} writes it; use daily_partitions() for the schedule, "
        "or set partition_format on the operator (None takes any name)"
    )


def _default_timezone() -> str | Timezone | FixedTimezone:
    import pendulum
    from airflow.sdk.configuration import conf

    name: str = conf.get_mandatory_value("core", "default_timezone")
    return pendulum.tz.local_timezone() if name == "system" else name
