"""A stage over a Dask cluster: several worker processes, one of which is killed in the middle of its shard."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import read_directory
from tests import needs
from tests.core.sharding.sharded import attempts_left, contents, numbered_texts


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return numbered_texts(tmp_path / "raw", 16)


@pytest.fixture
def cluster() -> Any:
    needs.packages("dask", "distributed")
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        yield client


@pytest.mark.timeout(180)
def test_a_worker_is_killed_in_the_middle_of_a_shard(cluster: Any, raw: Path, tmp_path: Path) -> None:
    met = tmp_path / "met"

    def slow(path: str) -> bytes:
        time.sleep(0.1)  # longer than a group of files waits for its sync
        if path.endswith("05.txt") and not met.exists():
            met.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return Path(path).read_bytes()

    outcome = read_directory(
        source=raw,
        target=tmp_path / "together",
        read=slow,
        codec="bytes",
        version="1",
        shards=4,
        executor=cluster.get_executor(pure=False),
    )
    assert met.exists()
    assert (outcome.outcome, outcome.counts["entries"]) == ("committed", 16)
    assert outcome.counts["reused"] == 1, "what the lost try had finished is not made again"
    read_directory(source=raw, target=tmp_path / "alone", read=slow, codec="bytes", version="1")
    assert contents(tmp_path / "together") == contents(tmp_path / "alone")
    assert attempts_left(tmp_path / "together") == []
