"""DAGs of DAG files, run without a scheduler by Airflow's own ``dag.test()``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.report.outcome import Outcome
from airflow_dirops.testing.inputs import write_files
from airflow_dirops.testing.made import Made

if TYPE_CHECKING:
    from airflow.sdk import DAG

_BUNDLE = "dags-folder"


@dataclass
class DagRun:
    """What became of a run.

    :param dag: the DAG that ran.
    :param dag_run: Airflow's own record of it.
    :param errors: what each task that failed raised last, by id.
    """

    dag: DAG
    dag_run: Any
    errors: Mapping[str, BaseException] = field(default_factory=dict)

    @property
    def states(self) -> dict[str, str]:
        """How each task ended, such as ``success`` or ``skipped``, by id; of a mapped one each way that there was."""
        found: dict[str, list[str]] = {}
        for ti in sorted(self.dag_run.get_task_instances(), key=lambda ti: (ti.task_id, ti.map_index)):
            found.setdefault(ti.task_id, []).append(str(ti.state))
        return {task_id: ", ".join(dict.fromkeys(states)) for task_id, states in found.items()}

    def task(self, task_id: str, map_index: int = -1) -> Any:
        """Airflow's task instance.

        :raises ArgumentRefused: if the run has none of that name.
        """
        if (ti := self.dag_run.get_task_instance(task_id, map_index=map_index)) is None:
            known = ", ".join(sorted(self.states))
            raise ArgumentRefused(
                f"the run of {self.dag.dag_id!r} has no task {task_id!r}, map index {map_index}: {known}"
            )
        return ti

    def output(self, task_id: str, map_index: int = -1) -> Any:
        """What a task returned."""
        return self.task(task_id, map_index).xcom_pull(task_ids=task_id, map_indexes=map_index)

    def stage(self, task_id: str, map_index: int = -1) -> Made:
        """What a stage of this run made; of one in shards, by the name of its group.

        :raises ArgumentRefused: if it made nothing, with the error that it raised.
        """
        if task_id not in self.dag.task_ids and f"{task_id}.commit" in self.dag.task_ids:
            task_id = f"{task_id}.commit"
        state, returned = str(self.task(task_id, map_index).state), self.output(task_id, map_index)
        if not (isinstance(returned, Mapping) and {"outcome", "snapshot"} <= returned.keys()):
            error = self.errors.get(task_id)
            raise ArgumentRefused(
                f"the task {task_id!r} ended as {state} and made nothing{f': {error}' if error else ''}"
            )
        return Made(Outcome(**returned), getattr(self.dag.get_task(task_id), "codec", "npy"))


class Dags:
    """Runs DAGs in this process, with Airflow's task runner, on a database of its own::

        def test_the_images_of_a_day(dags):
            dags.write("raw/images/2026-11-01", {"a.png": np.zeros((2, 3, 4), np.uint8)})
            run = dags.run("dags/images.py", partition="2026-11-01")
            assert run.states == {"to_numpy": "success", "red_channel": "success"}
            assert_same_snapshot(run.stage("red_channel"), {"a": np.zeros((2, 3), np.uint8)})

    :param root: ``[dirops] root``, which relative paths in the DAGs are below.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, folder: str, inputs: Mapping[str, Any]) -> Path:
        """Make a folder below the root hold these files and no others.

        :param inputs: by name: bytes, a str, or a value for the codec whose suffix the name has.
        """
        path = self.root / folder
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise ArgumentRefused(f"the folder {folder!r} leads out of the root {str(self.root)!r}; give one below it")
        return write_files(path, inputs)

    def load(self, path: str | os.PathLike[str], dag_id: str | None = None) -> DAG:
        """Import a DAG file as Airflow does.

        :param dag_id: which of its DAGs, if it has several.
        :raises ArgumentRefused: if there is no such DAG, or the file cannot be imported, with the traceback.
        """
        from airflow.dag_processing.dagbag import BundleDagBag

        file = Path(path).absolute()
        if not file.is_file():
            raise ArgumentRefused(f"there is no DAG file {str(file)!r}")
        bag = BundleDagBag(file, bundle_path=file.parent, bundle_name=_BUNDLE)
        if bag.import_errors:
            raise ArgumentRefused(f"the DAG file {str(file)!r} cannot be imported", bag.import_errors.values())
        chosen = [dag for each, dag in bag.dags.items() if dag_id in (None, each)]
        if len(chosen) != 1:
            raise ArgumentRefused(f"the DAG file {str(file)!r} has {_which(dag_id, sorted(bag.dags))}")
        return chosen[0]

    def run(
        self,
        dag: DAG | str | os.PathLike[str],
        dag_id: str | None = None,
        *,
        partition: str | None = None,
        params: Mapping[str, Any] | None = None,
        logical_date: datetime | None = None,
    ) -> DagRun:
        """Run a DAG once, to its end; a task that fails is no error of this call.

        :param dag: a DAG, or the path of its file.
        :param dag_id: as for :meth:`load`.
        :param partition: the run's partition key, as a schedule or a backfill gives it.
        :param params: what the trigger form would say.
        :param logical_date: for DAGs on a classic schedule.
        """
        found: Any = self.load(dag, dag_id) if isinstance(dag, str | os.PathLike) else dag
        _register(found)
        with _noting_errors() as errors, _with_key(partition):
            return DagRun(
                found, found.test(logical_date=logical_date, run_conf=dict(params) if params else None), errors
            )


def _which(asked: str | None, there: list[str]) -> str:
    if not there:
        return "no DAG in it; Airflow looks only into files that have the words 'airflow' and 'dag' in them"
    return f"{f'no DAG {asked!r}' if asked else f'{len(there)} DAGs, and dag_id= says which'}: {', '.join(there)}"


def _register(dag: Any) -> None:
    """``dag.test()`` runs what the database knows, and looks for the rest in the DAG folder only."""
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.utils.session import create_session

    with create_session() as session:
        if not session.get(DagBundleModel, _BUNDLE):
            session.add(DagBundleModel(name=_BUNDLE))
            session.flush()
        lazy = LazyDeserializedDAG.from_dag(dag)
        SerializedDAG.bulk_write_to_db(_BUNDLE, None, [lazy], session=session)
        SerializedDagModel.write_dag(lazy, bundle_name=_BUNDLE, session=session)


@contextmanager
def _with_key(key: str | None) -> Iterator[None]:
    # dag.test() has no argument for it.
    from airflow.models import dagrun

    create = dagrun.get_or_create_dagrun

    def with_key(**arguments: Any) -> Any:
        run = create(**arguments)
        run.partition_key = key
        arguments["session"].commit()
        return run

    with patch.object(dagrun, "get_or_create_dagrun", with_key):
        yield


@contextmanager
def _noting_errors() -> Iterator[dict[str, BaseException]]:
    # dag.test() only logs them.
    from airflow.sdk.execution_time import supervisor

    errors: dict[str, BaseException] = {}
    run_task = supervisor.run_task_in_process

    def noting(ti: Any, task: Any) -> Any:
        result = run_task(ti=ti, task=task)
        if error := getattr(result, "error", None):
            errors[ti.task_id] = error
        return result

    with patch.object(supervisor, "run_task_in_process", noting):
        yield errors
