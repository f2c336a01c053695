"""Directory stages without Airflow, for scripts, notebooks and tests: what the operators are thin doors to."""

from airflow_dirops.core.attempts import Attempt, LogicalRun
from airflow_dirops.core.manifest import Manifest, read_manifest
from airflow_dirops.core.outcome import Outcome, Progress
from airflow_dirops.core.pipeline import read_directory, transform_directory
from airflow_dirops.core.reader import Record, Snapshot, open_snapshot

__all__ = [
    "Attempt",
    "LogicalRun",
    "Manifest",
    "Outcome",
    "Progress",
    "Record",
    "Snapshot",
    "open_snapshot",
    "read_directory",
    "read_manifest",
    "transform_directory",
]
