"""Run a DAG in this process with ``dag.test()``, and look at what Airflow kept of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_dirops.testing.dags import DagRun, Dags


class Run(DagRun):
    """What became of a DAG run."""

    def state(self, task_id: str, map_index: int = -1) -> str:
        return str(self.task(task_id, map_index).state)

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
    """Starts DAG runs.

    :param dags: what runs them.
    :param folder: for DAG files.
    """

    def __init__(self, dags: Dags, folder: Path) -> None:
        self._dags = dags
        self._folder = folder

    def file(self, dag_id: str, source: str, **run: Any) -> Run:
        """Run the DAG of a DAG file, imported as Airflow imports it."""
        path = self._folder / f"{dag_id}.py"
        path.write_text(source)
        try:
            return self(self._dags.load(path, dag_id), **run)
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
        done = self._dags.run(dag, partition=key, params=conf, logical_date=logical_date)
        return Run(done.dag, done.dag_run, done.errors)
