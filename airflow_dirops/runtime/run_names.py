"""What the scheduler makes known of a run: as it starts its partition, as it ends whether it was a dry run.

So the list of runs shows the partition, and other tasks have ``{{ partition_key }}``. Without this, as in
``dag.test()``, each stage comes to the same answer by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from airflow_dirops.calendar.form import DRY_RUN, is_form_field
from airflow_dirops.calendar.partitions import Said, resolve_partition
from airflow_dirops.calendar.timetables import PartitionTimetable
from airflow_dirops.core.errors import ArgumentRefused

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

CUT = "cut"
"""The key of the XCom in which the plan of a sharded stage says what became of it."""


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


@hookimpl
def on_dag_run_success(dag_run: DagRun) -> None:
    """Airflow says that a run has ended; what is set here is stored with its new state."""
    _show_what_was_only_planned(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: DagRun) -> None:
    """As for one that ended well: of its stages some may have planned."""
    _show_what_was_only_planned(dag_run)


def form_of(params: Any, conf: dict[str, Any] | None) -> dict[str, Any]:
    """What the trigger form says in the fields that are ours.

    :param params: the DAG's params.
    :param conf: what the run was started with.
    """
    return {name: value for name, value in (conf or {}).items() if is_form_field(params, name)}


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
    said = [f"Partition {named}"] if named else []
    if limit := form.get("limit"):
        said.append(f"Trial run over the first {limit} inputs")
    if form.get("dry_run") is True:
        said.append(DRY_RUN)
    return ". ".join(said)


def _show_what_was_only_planned(dag_run: DagRun) -> None:
    """Let the grid show the stages of a dry run as skipped: in green nobody would tell it from a real one.

    Not before the end of the run, or Airflow would skip the stages behind them, which plan as well.
    """
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy.orm import object_session

    dag: Any = dag_run.dag
    session = object_session(dag_run)
    if dag is None or session is None or form_of(dag.params, dag_run.conf).get("dry_run") is not True:
        return
    planned = set(_only_planned(dag_run, session))
    for task in dag_run.get_task_instances(state=[TaskInstanceState.SUCCESS], session=session):
        if (task.task_id, task.map_index) in planned:
            task.state = TaskInstanceState.SKIPPED


def _only_planned(dag_run: DagRun, session: Session) -> Iterator[tuple[str, int]]:
    from airflow.models.xcom import XCOM_RETURN_KEY, XComModel

    for key in (XCOM_RETURN_KEY, CUT):
        told: Any = XComModel.get_many(run_id=dag_run.run_id, dag_ids=dag_run.dag_id, key=key)
        for each in session.scalars(told):
            value = XComModel.deserialize_value(each)
            outcome = value.get("outcome") if isinstance(value, dict) else None
            if "planned" in (outcome, outcome.get("outcome") if isinstance(outcome, dict) else None):
                yield each.task_id, each.map_index
