"""Run a job over items in forked workers: nothing of the job is pickled, and a worker's death costs one item."""

from airflow_dirops.core.processes.cpus import available_cpus
from airflow_dirops.core.processes.failures import pack_error, unpack_error
from airflow_dirops.core.processes.handle import Done, Lost
from airflow_dirops.core.processes.pool import WorkerPool
from airflow_dirops.core.processes.worker import Job

__all__ = ["Done", "Job", "Lost", "WorkerPool", "available_cpus", "pack_error", "unpack_error"]
