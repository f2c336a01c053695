"""Tell Airflow's assets what was committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dirops.runtime.links import snapshot_address

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_dirops.core import Outcome


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
            event.extra.update({"page": snapshot_address(task, outcome), **outcome.to_dict()})
            if outcome.partition and _has_own_key(context, outcome.partition):
                event.add_partitions(outcome.partition)


def _has_own_key(context: Context, partition: str) -> bool:
    from airflow.sdk import CronPartitionTimetable, PartitionedAssetTimetable

    timetable: Any = context["dag"].timetable
    partitioned = getattr(timetable, "partitioned", False) or isinstance(
        timetable, (CronPartitionTimetable, PartitionedAssetTimetable)
    )
    return (partitioned or timetable.partitioned_at_runtime) and partition != context.get("partition_key")
