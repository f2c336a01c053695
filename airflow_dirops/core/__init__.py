"""Directory stages without Airflow, for scripts, notebooks and tests: what the operators are thin doors to."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from airflow_dirops.core.api import iter_plan as iter_plan
    from airflow_dirops.core.api import read_directory as read_directory
    from airflow_dirops.core.api import transform_directory as transform_directory
    from airflow_dirops.core.format.manifest import Manifest as Manifest
    from airflow_dirops.core.format.runs import Attempt as Attempt
    from airflow_dirops.core.format.runs import LogicalRun as LogicalRun
    from airflow_dirops.core.plan.plan import PlannedInput as PlannedInput
    from airflow_dirops.core.report.outcome import Outcome as Outcome
    from airflow_dirops.core.report.outcome import Progress as Progress
    from airflow_dirops.core.snapshot.opening import open_snapshot as open_snapshot
    from airflow_dirops.core.snapshot.opening import read_manifest as read_manifest
    from airflow_dirops.core.snapshot.reader import Record as Record
    from airflow_dirops.core.snapshot.reader import Snapshot as Snapshot
    from airflow_dirops.core.stage.retention import Retention as Retention

# Looked up when first asked for: a DAG file that needs one error class must not pay for numpy.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "api": ["iter_plan", "read_directory", "transform_directory"],
        "plan.plan": ["PlannedInput"],
        "format.manifest": ["Manifest"],
        "format.runs": ["Attempt", "LogicalRun"],
        "report.outcome": ["Outcome", "Progress"],
        "snapshot.opening": ["open_snapshot", "read_manifest"],
        "snapshot.reader": ["Record", "Snapshot"],
        "stage.retention": ["Retention"],
    },
)
