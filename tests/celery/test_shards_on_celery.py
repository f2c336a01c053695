"""A stage of 64 tasks on two Celery workers, of which one is lost with all that it does: one commit of all of it."""

from __future__ import annotations

from pathlib import Path

import psutil

from demo.cluster import Cluster
from tests.celery.conftest import WORKERS
from tests.cluster.sharded_runs import Sharded
from tests.text_files import values


def test_a_worker_is_lost_in_the_middle_of_64_shards(cluster: Cluster, data: Path, gate: Path, executor: str) -> None:
    run = Sharded.begin(cluster, data, "sharded_64", gate, 128, gated="040")
    waiting = run.process()
    above = {process.pid for process in waiting.parents()}
    lost = [name for name in WORKERS[executor] if cluster.process(name).pid in above]
    if lost:  # the worker, with all of its tasks
        cluster.restart(lost[0])
    else:
        waiting.kill()
    psutil.wait_procs([waiting], timeout=20)
    run.wait()
    assert run.states() == ["success"] * 64
    assert run.task("shard", 20)["try_number"] == 2
    assert values(run.target) == {f"{number:03}": f"text {number}" for number in range(128)}
    assert (run.outcome()["outcome"], run.events()) == ("committed", 1)
    assert bool(lost) == bool(WORKERS[executor])
