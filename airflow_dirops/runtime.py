"""The one place that reads Airflow's context: who runs, for which partition, below which root.

What goes the other way is here too: the asset events a stage leaves behind, and which of the core's
errors are worth another try.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.configuration import conf
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from airflow_dirops.core import errors
from airflow_dirops.formats import DAILY
from airflow_dirops.partitions import (
    Said,
    due_partition,
    is_form_field,
    resolve_partition,
)

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context

    from airflow_dirops.core import Attempt, Outcome, Retention

_log = logging.getLogger(__name__)

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[
                errors.SetupError,
                errors.EncodeError,
                errors.KeyRefused,
                errors.NothingMade,
                errors.ManifestDamaged,
                errors.SnapshotDamaged,
                errors.SnapshotExpired,  # a retry would ask for the same pinned snapshot
                errors.ListingChanged,  # nor does a directory become again what it was
                errors.AttemptSuperseded,
            ],
            action=RetryAction.FAIL,
            reason="Another try would fail in the same way; see the error for what to do.",
        )
    ],
)
"""How the operators deal with errors unless told otherwise.

What another try cannot change fails at once. Everything else follows the task's ``retries``: a file
system that was full, a source that was not there yet, a user's function that raised. So does a
:class:`~airflow_dirops.core.errors.TargetConflict`: the next try begins on the snapshot that won,
and mostly finds that nothing is left to do.
"""


def root() -> str | None:
    """The directory that relative paths are resolved against: ``[dirops] root``."""
    return conf.get("dirops", "root", fallback=None) or None


@contextmanager
def naming_root() -> Iterator[None]:
    """Where a source is not there, say below which root it was looked for: it may be the wrong one."""
    try:
        yield
    except (errors.SourceMissing, errors.ManifestMissing) as error:
        if below := root():
            error.args = (f"{error}. Relative paths are below [dirops] root, which is {below!r} here", *error.args[1:])
        raise


def retention(given: Retention | None) -> Retention:
    """How long replaced snapshots are kept: as the operator says, else as the ``[dirops]`` section does.

    :param given: what the operator says, or None.
    """
    from airflow_dirops.core.stage.retention import Retention, check_retention

    retention = Retention() if given is None else given
    check_retention(retention)

    def setting(name: str, default: float) -> float:
        get = conf.getint if isinstance(default, int) else conf.getfloat
        configured: float = get("dirops", name, fallback=default)
        return configured

    return retention.completed(setting)


def partition_of(context: Context, partition_format: str | None = DAILY) -> str:
    """The run's partition, for an operator that does not set its own.

    :param context: the task's context.
    :param partition_format: the form that dates must have; None takes any safe relative name.
    """
    partition, remark = resolve_partition(said_by(context, partition_format), partition_format)
    if remark:
        _log.info("%s", f"{remark[0].upper()}{remark[1:]}.")
    return partition


def said_by(context: Context, partition_format: str | None) -> Said:
    """What a run says of its partition.

    :param context: the task's context.
    :param partition_format: the form that dates must have.
    """
    run: Any = context.get("dag_run")
    run_type = getattr(run, "run_type", None)  # an enum of texts
    day: Any = context.get("logical_date")
    zone = _zone(context["dag"])
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


def attempt_of(context: Context, partition: str | None) -> Attempt:
    """Who makes this try, for the core's claims, conflicts and manifests.

    :param context: the task's context.
    :param partition: the run's partition, which orders runs before anything else does.
    """
    from airflow_dirops.core import Attempt, LogicalRun

    ti: Any = context["ti"]
    return Attempt(
        run=LogicalRun(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index),
        try_number=ti.try_number,
        first_try_number=_first_try(ti, context["task"].retries or 0),
        ti_id=str(ti.id),
        order=_order(context, partition),
    )


def function_params(context: Context) -> dict[str, Any]:
    """The run's params, as the user's function gets them: without the fields that steer the stage itself.

    :param context: the task's context.
    """
    fields = {"partition", *form_of(context)}
    return {name: value for name, value in context["params"].items() if name not in fields}


def form_of(context: Context) -> dict[str, Any]:
    """What this run has in the trigger form's fields that are ours.

    :param context: the task's context.
    """
    given = context.get("params") or {}
    return {name: value for name, value in given.items() if is_form_field(context["task"].params, name)}


def form_choices(
    context: Context,
    *,
    redo: str,
    on_error: str,
    max_failures: int | str | None,
    max_removed: int | str | None,
) -> dict[str, Any]:
    """What the trigger form of :func:`~airflow_dirops.partitions.dirops_params` changes for this run.

    :param context: the task's context.
    :param redo: what the operator says.
    :param on_error: what the operator says.
    :param max_failures: what the operator says; it goes with quarantine alone.
    :param max_removed: what the operator says.
    """
    form = form_of(context)
    on_error = form.get("on_error") or on_error
    allowed = _budget(form.get("max_failures"))
    # Of a DAG's stages only some may set files aside: the number is for those.
    if allowed is not None and form.get("on_error") == "fail":
        raise errors.ArgumentRefused(
            f'the form says "How many may fail": {allowed!r}, and that the first failure stops the stage; '
            'choose "Set them aside" for "Files that fail", or leave the number out'
        )
    return {
        "redo": form.get("redo") or redo,
        "on_error": on_error,
        "max_failures": (max_failures if allowed is None else allowed) if on_error == "quarantine" else None,
        "max_removed": "100%" if form.get("accept_removal") is True else max_removed,
        "accept_code_change": form.get("accept_code_change") is True,
        "limit": form.get("limit"),
        "dry_run": form.get("dry_run") is True,
    }


def _budget(given: Any) -> int | str | None:
    if isinstance(given, str):
        given = given.strip()
        return (int(given) if given.isdecimal() else given) if given else None
    count: int | None = given
    return count


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
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=_zone(context["dag"]))).isoformat()


def announce(task: BaseOperator, context: Context, outcome: Outcome) -> None:
    """Tell the task's outlets what was committed: not where nothing is new, and not of a trial run.

    :param task: the operator that ran.
    :param context: the task's context.
    :param outcome: what the stage came to.
    """
    if outcome.outcome != "committed" or outcome.limit is not None:
        task.outlets = []  # Airflow makes one event for each of them after execute()
        return
    from airflow.sdk.definitions.asset import Asset, AssetRef

    for outlet in task.outlets:
        if isinstance(outlet, (Asset, AssetRef)):
            event = context["outlet_events"][outlet]
            event.extra.update(outcome.to_dict())
            if outcome.partition and _has_own_key(context, outcome.partition):
                event.add_partitions(outcome.partition)


def _has_own_key(context: Context, partition: str) -> bool:
    from airflow.sdk import CronPartitionTimetable, PartitionedAssetTimetable

    timetable: Any = context["dag"].timetable
    partitioned = getattr(timetable, "partitioned", False) or isinstance(
        timetable, (CronPartitionTimetable, PartitionedAssetTimetable)
    )
    return (partitioned or timetable.partitioned_at_runtime) and partition != context.get("partition_key")


def _zone(dag: DAG) -> Any:
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
