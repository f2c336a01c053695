"""A real Airflow: mapped tasks for files or batches of them, against our stages. The cluster is the demo's."""

from __future__ import annotations

import atexit
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from demo.cluster import Cluster
from demo.runs import follow, trigger

_DAGS = Path(__file__).parent / "dags"
_SLOTS = 2


def run_dag(source: Path, scratch: Path, *, dag_id: str) -> None:
    """From the moment the run is asked for to the end of its last task, by the clock and all of Airflow's CPU."""
    cluster = _cluster()
    run = trigger(cluster, dag_id, conf={"source": str(source.resolve()), "target": str(scratch.resolve())})
    follow(cluster, [run])


@cache
def _cluster() -> Cluster:
    """Started with the first, untimed run; ended with this process."""
    home = TemporaryDirectory(prefix="dirops-benchmark-")
    atexit.register(home.cleanup)
    cluster = Cluster(Path(home.name), dags=_DAGS, data=Path(home.name), parallelism=_SLOTS)
    cluster.__enter__()
    atexit.register(cluster.__exit__, None, None, None)
    cluster.wait_for_dags(("per_file", "per_batch", "per_directory", "in_shards"))
    return cluster
