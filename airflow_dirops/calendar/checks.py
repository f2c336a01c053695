"""What may name a partition, and which formats of names may be used."""

from __future__ import annotations

from typing import Any

from airflow_dirops.calendar.formats import DAILY, example_name, fault_of, read_name, unsafe
from airflow_dirops.core.errors import ArgumentRefused

FROM_SCHEDULE = "schedule"
"""The format of the DAG's schedule, where that has one; else that of days."""


def check_partition(text: Any, origin: str, partition_format: str | None = DAILY) -> str:
    """Make sure that a partition can become part of a path.

    :param text: the partition, from anywhere.
    :param origin: where it came from, for the message.
    :param partition_format: the form that a date must have; None takes any safe relative name.
    """
    if not isinstance(text, str):
        raise ArgumentRefused(f"{origin} is {text!r}, a {type(text).__name__}; a partition is text")
    if reason := unsafe(text) or malformed(text, partition_format):
        raise ArgumentRefused(f"{origin} is {text!r}, which cannot name a partition: {reason}")
    return text


def check_format(partition_format: Any) -> None:
    """Refuse a format that writes what it cannot read, or gives one name to dates that do not belong together.

    :param partition_format: what the DAG file has; None takes any safe relative name.
    """
    if partition_format in (None, FROM_SCHEDULE):
        return
    fault = fault_of(partition_format) if isinstance(partition_format, str) else "it is no text"
    if fault:
        raise ArgumentRefused(f"partition_format={partition_format!r} cannot name partitions: {fault}")


def check_own_format(partition_format: Any) -> None:
    """The same, where no schedule of a DAG is there to be followed.

    :param partition_format: what the DAG file has; None takes any safe relative name.
    """
    if partition_format == FROM_SCHEDULE:
        raise ArgumentRefused(
            f"partition_format={partition_format!r} is for operators and sensors, which follow the schedule of their "
            f"DAG; here is none to follow. Write the format itself, such as {DAILY!r}"
        )
    check_format(partition_format)


def check_same_format(partition_format: str | None, schedules: str) -> None:
    """Refuse a stage whose partitions are named otherwise than those of its schedule.

    :param partition_format: what the operator says.
    :param schedules: the format of the schedule.
    """
    if partition_format in (FROM_SCHEDULE, schedules, None):
        return
    raise ArgumentRefused(
        f"the schedule makes partitions like {example_name(schedules)!r}, and partition_format="
        f"{partition_format!r} wants names like {example_name(partition_format)!r}. Write the format once, "
        "on the schedule, as in daily_partitions(..., partition_format=...), and leave it out here"
    )


def malformed(text: str, partition_format: str | None) -> str | None:
    """What is wrong with a name, if it is not written as the format writes.

    :param partition_format: the form that it must have; None for any.
    """
    if partition_format is None:
        return None
    try:
        read_name(text, partition_format)
    except ValueError:
        example = example_name(partition_format)
        return (
            f"partition_format={partition_format!r} writes names such as {example!r}. Give one like it, or "
            "partition_format=None, which takes any name"
        )
    return None
