"""Who may claim and commit: decisions over what was read elsewhere. Nothing here reads or writes a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from airflow_dirops.core.attempts import LogicalRun
from airflow_dirops.core.control import FencedRun
from airflow_dirops.core.errors import TargetRefused
from airflow_dirops.core.manifest import AttemptRecord


def refuse_sibling(
    target: Path, run: LogicalRun, committer: AttemptRecord | None, fence: Mapping[str, FencedRun]
) -> None:
    """Mapped instances of one run must not replace each other's snapshots: all but one would be lost, and all be green.

    :param run: who wants the target.
    :param committer: who committed the snapshot that is there.
    :param fence: the claims on this target, by logical run.
    :raises TargetRefused: if another instance of the same mapped task in the same run has committed there.
    """
    sibling = sibling_that_committed(run, committer, fence)
    if sibling is None:
        return
    raise TargetRefused(
        f"instance {run.map_index} of the mapped task {run.dag_id}.{run.task_id} wants the target {str(target)!r}, "
        f"where instance {sibling.map_index} of the same run {run.run_id!r} has committed. Each would replace what the "
        "one before made, so this one changes nothing, whatever on_conflict says. Give each instance a target of its "
        'own: .partial(...).expand_kwargs([{"source": "raw/a", "target": "interim/a"}, {"source": "raw/b", "target": '
        '"interim/b"}]). If the targets are different ones now, and only their order has changed, start another run'
    )


def sibling_that_committed(
    run: LogicalRun, committer: AttemptRecord | None, fence: Mapping[str, FencedRun]
) -> LogicalRun | None:
    """The other mapped instance of the same run that has committed to a target, if there is one.

    The fence remembers it when a third run has committed since.
    """
    committed = [LogicalRun.of(committer)] if committer else []
    committed += [known for key, row in fence.items() if row.committed and (known := LogicalRun.of_fence_key(key))]
    return next((other for other in committed if _are_siblings(run, other)), None)


def _are_siblings(run: LogicalRun, other: LogicalRun) -> bool:
    if run.map_index == other.map_index or min(run.map_index, other.map_index) < 0:
        return False
    return (run.dag_id, run.run_id, run.task_id) == (other.dag_id, other.run_id, other.task_id)
