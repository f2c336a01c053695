"""Gives a run that was triggered by hand the partition it works on, when the scheduler starts it.

So the list of runs shows it, and other tasks have ``{{ partition_key }}``. Without this, as in ``dag.test()``, each
stage comes to the same answer by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.partitions import DRY_RUN, FORM_MARK, Said, resolve_partition
from airflow_dirops.timetables import PartitionTimetable

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun


@hookimpl
def on_dag_run_running(dag_run: DagRun) -> None:
    """Airflow says that a run begins; what is set here is stored with its new state."""
    dag: Any = dag_run.dag
    if dag is None or dag_run.run_type != "manual":
        return
    form = form_of(dag.params, dag_run.conf)
    if isinstance(dag.timetable, PartitionTimetable):
        _give_key(dag_run, dag.timetable, form.get("partition"))
    if (note := _note(dag_run, form)) and not dag_run.note:
        dag_run.note = note


def form_of(params: Any, conf: dict[str, Any] | None) -> dict[str, Any]:
    """What the trigger form says, if the DAG has ours.

    :param params: the DAG's params.
    :param conf: what the run was started with.
    """
    is_ours = "partition" in params and FORM_MARK in params.get_param("partition").schema
    return dict(conf or {}) if is_ours else {}


def _give_key(dag_run: DagRun, timetable: PartitionTimetable, named: Any) -> None:
    if dag_run.partition_key is not None or dag_run.logical_date is not None:
        return
    try:
        said = Said(param=named, due=timetable.due_key(dag_run.run_after))
        key, _ = resolve_partition(said, timetable.partition_format)
        dag_run.partition_date = timetable.resolve_partition_date(key)
    except (ArgumentRefused, ValueError):  # the stage says what is wrong, in the log of its task
        return
    dag_run.partition_key = key


def _note(dag_run: DagRun, form: dict[str, Any]) -> str:
    named = form.get("partition") if dag_run.partition_key is None else None
    said = ([f"Partition {named}"] if named else []) + ([DRY_RUN] if form.get("dry_run") is True else [])
    return ". ".join(said)
