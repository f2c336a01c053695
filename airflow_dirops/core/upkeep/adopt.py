"""Let a stage replace, once, what is not its own."""

from __future__ import annotations

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.control import Adoption
from airflow_dirops.core.format.members import text_problem
from airflow_dirops.core.places import place_of
from airflow_dirops.core.upkeep.door import Target, door


@door
def adopt(target: Target, stage: str | None = None) -> Adoption:
    """Let the next commit of a stage replace what is at a target, once. A directory that no stage wrote is then moved
    aside and kept, another stage's snapshot is retired.

    :param stage: which one, such as ``dag_id.task_id``; by default whichever comes first.
    :raises ArgumentRefused: if no permission is needed: nothing is there, or the stage's own snapshot.
    :raises TargetRefused: if what is there must stay: a home, the DAG folder, or what holds another target.
    """
    if stage is not None and (problem := text_problem(stage) if stage else "it is empty"):
        raise ArgumentRefused(f"{stage!r} names no stage: {problem}")
    return place_of(target).adopt(stage)


@door
def adoption_of(target: Target) -> Adoption | None:
    """The permission to replace what is at a target, if there is one."""
    return place_of(target).adoption()
