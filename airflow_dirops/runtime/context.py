"""Reads Airflow's context: who runs, for which partition, with which params, and what the form says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.operator import get_merged_defaults

from airflow_dirops.calendar.checks import FROM_SCHEDULE
from airflow_dirops.calendar.form import FORM_FIELDS, is_form_field
from airflow_dirops.calendar.formats import DAILY
from airflow_dirops.calendar.partitions import Said, due_partition, resolve_partition
from airflow_dirops.core import errors
from airflow_dirops.runtime.assets import schedule_format
from airflow_dirops.runtime.templates import mentions_partition

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context

    from airflow_dirops.core import Attempt

_log = logging.getLogger(__name__)


def partition_of(context: Context, partition_format: str | None = DAILY) -> str:
    """The run's partition, for an operator that does not set its own.

    :param context: the task's context.
    :param partition_format: the form that dates must have; None takes any safe relative name.
    """
    partition, remark = resolve_partition(said_by(context, partition_format), partition_format)
    _tell(remark)
    return partition


def format_of(dag: DAG | None, partition_format: str | None) -> str | None:
    """The format that partitions have: the operator's, or that of the DAG's schedule.

    :param partition_format: what the operator says.
    """
    if partition_format != FROM_SCHEDULE:
        return partition_format
    schedules = schedule_format(dag.timetable) if dag else FROM_SCHEDULE
    return DAILY if schedules == FROM_SCHEDULE else schedules


def partition_of_run(context: Context) -> str:
    """The run's partition, for what is no operator of ours: as the stages and sensors of its DAG take it.

    :param context: the task's context.
    :raises ArgumentRefused: if the run names none, or is for one partition to one of them and for another to another.
    """
    formats = _formats_asked(context["dag"])
    found: dict[str, str | None] = {}
    refusals: list[errors.ArgumentRefused] = []
    for each in formats:
        try:
            name, remark = resolve_partition(said_by(context, each), each)
        except errors.ArgumentRefused as error:
            refusals.append(error)
        else:
            found[name] = remark
    if not found:
        raise refusals[0]
    if len(found) > 1:
        raise errors.ArgumentRefused(
            f"which partition this run is for depends on who asks: the stages of this DAG name theirs in "
            f"{len(formats)} ways, and here that is {' or '.join(map(repr, found))}. Ask the stage that is meant, "
            "before this task, for what it returned: {{ ti.xcom_pull('its_task_id')['partition'] }}"
        )
    ((name, remark),) = found.items()
    _tell(remark)
    return name


def _formats_asked(dag: DAG) -> list[str | None]:
    """How the stages and sensors of a DAG name the partitions of its runs; how its schedule does, if none says more."""
    asked: dict[str | None, None] = {}
    for task in dag.tasks:
        fields, kind = _fields_of(task, dag), getattr(task, "operator_class", type(task))
        said = fields.get("partition_format", FROM_SCHEDULE)
        named = (*getattr(kind, "path_fields", ()), *getattr(kind, "name_fields", ()))
        asks = any(name not in fields or mentions_partition(fields[name]) for name in named)
        if named and fields.get("partition") is None and (asks or said != FROM_SCHEDULE):
            asked[format_of(dag, said)] = None
    return list(asked) or [format_of(dag, FROM_SCHEDULE)]


def _fields_of(task: Any, dag: DAG) -> dict[str, Any]:
    """What a DAG file says of a task's arguments; of a mapped one as far as its instances share them."""
    said: dict[str, Any] = task.partial_kwargs if task.is_mapped else vars(task)
    defaults, _ = get_merged_defaults(dag, task.task_group, None, None)
    return {**defaults, **said}


def _tell(remark: str | None) -> None:
    if remark:
        _log.info("%s", f"{remark[0].upper()}{remark[1:]}.")


def said_by(context: Context, partition_format: str | None) -> Said:
    """What a run says of its partition.

    :param context: the task's context.
    :param partition_format: the form that dates must have.
    """
    run: Any = context.get("dag_run")
    run_type = getattr(run, "run_type", None)  # an enum of texts
    day: Any = context.get("logical_date")
    zone = zone_of(context["dag"])
    return Said(
        key=context.get("partition_key"),
        param=context.get("params", {}).get("partition"),
        day=day and day.astimezone(zone),
        due=_due(context["dag"], run.run_after, zone, partition_format) if run_type == "manual" else None,
        in_backfill=run_type == "backfill",
    )


def is_mapped(context: Context) -> bool:
    """Whether this is one of several instances of its task in this run.

    :param context: the task's context.
    """
    index: int | None = getattr(context.get("ti"), "map_index", None)
    return index is not None and index >= 0


def overridden_params(context: Context) -> set[str]:
    """The params that whoever started this run gave another value than the DAG does.

    :param context: the task's context.
    """
    given = getattr(context.get("dag_run"), "conf", None) or {}
    defaults = context["dag"].params.dump()
    return {name for name, value in given.items() if name not in defaults or defaults[name] != value}


def _due(dag: DAG, asked: datetime, zone: Any, partition_format: str | None) -> str | None:
    if due_key := getattr(dag.timetable, "due_key", None):
        key: str = due_key(asked)
        return key
    return due_partition(asked.astimezone(zone), partition_format)


def attempt_of(context: Context, partition: str | None, stage_task_id: str) -> Attempt:
    """Who makes this try, for the core's claims, conflicts and manifests.

    :param context: the task's context.
    :param partition: the run's partition, which orders runs before anything else does.
    :param stage_task_id: the task by which runs of the stage are known: that of the context, or the group that it is
        a part of, which no index tells apart.
    """
    from airflow_dirops.core import Attempt, LogicalRun

    ti: Any = context["ti"]
    map_index = -1 if ti.map_index is None or stage_task_id != ti.task_id else ti.map_index
    return Attempt(
        run=LogicalRun(ti.dag_id, ti.run_id, stage_task_id, map_index),
        try_number=ti.try_number,
        first_try_number=_first_try(ti, context["task"].retries or 0),
        ti_id=str(ti.id),
        order=_order(context, partition),
    )


def misspelled(context: Context) -> Iterator[tuple[str, str]]:
    """What this run was started with that nothing takes, each with the field that may be meant.

    :param context: the task's context.
    """
    params = context["dag"].params
    ours = {"partition", *(name for name in FORM_FIELDS if is_form_field(params, name))}
    for name in getattr(context.get("dag_run"), "conf", None) or {}:
        if name not in params and name not in ours and (near := get_close_matches(name.lower(), ours, n=1, cutoff=0.8)):
            yield name, near[0]


def function_params(context: Context) -> dict[str, Any]:
    """The run's params, as the user's function gets them: without the fields that steer the stage itself.

    :param context: the task's context.
    """
    fields = {"partition", *form_of(context)}
    return {name: value for name, value in (context.get("params") or {}).items() if name not in fields}


def form_of(context: Context) -> dict[str, Any]:
    """What this run has in the trigger form's fields that are ours.

    :param context: the task's context.
    """
    given = context.get("params") or {}
    return {name: value for name, value in given.items() if is_form_field(context["task"].params, name)}


def run_start(context: Context) -> datetime:
    """When the run began.

    :param context: the task's context.
    """
    run: Any = context["dag_run"]
    started: datetime = run.start_date or run.run_after
    return started


def is_moment(text: str) -> bool:
    """Whether a text names a moment."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def moment_of(context: Context, field: str, moment: datetime | str | None) -> str | None:
    """A field that names a moment, as ISO text with an offset.

    :param context: the task's context.
    :param field: the field's name, for the message.
    :param moment: a datetime, ISO text, or "run" for the start of the run; without an offset, the timezone of
        the DAG's schedule is meant.
    """
    if moment is None:
        return None
    try:
        given = run_start(context) if moment == "run" else moment
        parsed = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError as error:
        raise errors.ArgumentRefused(
            f'{field}={moment!r} is no moment; give a datetime, an ISO string, or "run"'
        ) from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone_of(context["dag"]))).isoformat()


def zone_of(dag: DAG) -> Any:
    """The zone that a DAG's dates are meant in.

    :param dag: the DAG.
    """
    import pendulum

    # a timetable may have a timezone of its own, and that is the one its dates are meant in
    zone = getattr(dag.timetable, "timezone", None) or dag.timezone
    return pendulum.timezone(zone) if isinstance(zone, str) else zone


def _first_try(ti: Any, retries: int) -> int:
    # Clearing a task sets max_tries to its tries so far and its retries; a DAG may have changed them since.
    first: int = min(ti.max_tries - retries + 1, ti.try_number)
    return max(1, first)


def _order(context: Context, partition: str | None) -> str:
    run: Any = context["dag_run"]
    day = partition or _sortable(context.get("partition_date") or context.get("logical_date"))
    return f"{day} {_sortable(run.run_after)}"


def _sortable(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") if moment else ""
