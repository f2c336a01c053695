"""Directory stages without Airflow, for scripts, notebooks and tests: what the operators are thin doors to."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from airflow_dirops.core.attempts import Attempt as Attempt
    from airflow_dirops.core.attempts import LogicalRun as LogicalRun
    from airflow_dirops.core.dry_run import PlannedInput as PlannedInput
    from airflow_dirops.core.manifest import Manifest as Manifest
    from airflow_dirops.core.manifest import read_manifest as read_manifest
    from airflow_dirops.core.outcome import Outcome as Outcome
    from airflow_dirops.core.outcome import Progress as Progress
    from airflow_dirops.core.pipeline import iter_plan as iter_plan
    from airflow_dirops.core.pipeline import read_directory as read_directory
    from airflow_dirops.core.pipeline import transform_directory as transform_directory
    from airflow_dirops.core.reader import Record as Record
    from airflow_dirops.core.reader import Snapshot as Snapshot
    from airflow_dirops.core.reader import open_snapshot as open_snapshot
    from airflow_dirops.core.retention import Retention as Retention

# Looked up when first asked for: a DAG file that needs one error class must not pay for numpy.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attempts": ["Attempt", "LogicalRun"],
        "dry_run": ["PlannedInput"],
        "manifest": ["Manifest", "read_manifest"],
        "outcome": ["Outcome", "Progress"],
        "pipeline": ["iter_plan", "read_directory", "transform_directory"],
        "reader": ["Record", "Snapshot", "open_snapshot"],
        "retention": ["Retention"],
    },
)
