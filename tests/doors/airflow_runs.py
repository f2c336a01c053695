"""Run a DAG in this process with ``dag.test()``, and look at what Airflow kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Run:
    """What became of a DAG run."""

    dag_run: Any

    def task(self, task_id: str, map_index: int = -1) -> Any:
        """A task instance."""
        return self.dag_run.get_task_instance(task_id, map_index=map_index)

    def state(self, task_id: str, map_index: int = -1) -> str:
        return str(self.task(task_id, map_index).state)

    def output(self, task_id: str, map_index: int = -1) -> Any:
        """What the task pushed."""
        return self.task(task_id, map_index).xcom_pull(task_ids=task_id, map_indexes=map_index)

    def rendered(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """The fields as the UI shows them."""
        from airflow.models.renderedtifields import RenderedTaskInstanceFields

        fields = RenderedTaskInstanceFields.get_templated_fields(self.task(task_id, map_index))
        return dict(fields or {})

    def events(self, task_id: str) -> list[tuple[str | None, dict[str, Any]]]:
        """The partition key and the extra of each asset event that a task left."""
        from airflow.models.asset import AssetEvent
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            mine = (AssetEvent.source_task_id == task_id, AssetEvent.source_run_id == self.dag_run.run_id)
            return [(e.partition_key, e.extra) for e in session.scalars(select(AssetEvent).where(*mine))]


class Runs:
    """Starts DAG runs."""

    def __init__(self, dags_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = dags_folder
        self._monkeypatch = monkeypatch

    def file(self, dag_id: str, source: str, **run: Any) -> Run:
        """Run the DAG of a DAG file, imported as Airflow imports it."""
        from airflow.dag_processing.dagbag import BundleDagBag

        path = self._folder / f"{dag_id}.py"
        path.write_text(source)
        try:
            bag = BundleDagBag(path, bundle_path=self._folder, bundle_name="dags-folder")
            assert not bag.import_errors, bag.import_errors
            return self(bag.dags[dag_id], **run)
        finally:
            path.unlink()

    def __call__(
        self,
        dag: Any,
        *,
        key: str | None = None,
        logical_date: datetime | None = None,
        conf: dict[str, Any] | None = None,
    ) -> Run:
        """Run a DAG once, to its end."""
        self._register(dag)
        self._give_key(key)
        return Run(dag.test(logical_date=logical_date, run_conf=conf))

    def _register(self, dag: Any) -> None:
        from airflow.models.dagbundle import DagBundleModel
        from airflow.models.serialized_dag import SerializedDagModel
        from airflow.serialization.definitions.dag import SerializedDAG
        from airflow.serialization.serialized_objects import LazyDeserializedDAG
        from airflow.utils.session import create_session

        with create_session() as session:
            if not session.get(DagBundleModel, "dags-folder"):
                session.add(DagBundleModel(name="dags-folder"))
                session.flush()
            lazy = LazyDeserializedDAG.from_dag(dag)
            SerializedDAG.bulk_write_to_db("dags-folder", None, [lazy], session=session)
            SerializedDagModel.write_dag(lazy, bundle_name="dags-folder", session=session)

    def _give_key(self, key: str | None) -> None:
        # dag.test() has no argument for it
        from airflow.models import dagrun

        create = self._create = getattr(self, "_create", dagrun.get_or_create_dagrun)

        def with_key(**arguments: Any) -> Any:
            run = create(**arguments)
            run.partition_key = key
            arguments["session"].commit()
            return run

        self._monkeypatch.setattr(dagrun, "get_or_create_dagrun", with_key)
