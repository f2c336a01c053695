"""A stage over Ray: each shard is a task."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from airflow_dirops.core import RayExecutor, read_directory
from airflow_dirops.core.errors import ArgumentRefused
from tests import needs
from tests.core.sharding.sharded import attempts_left, contents


@pytest.mark.timeout(240)
def test_shards_as_tasks_of_ray(tmp_path: Path) -> None:
    needs.packages("ray", "ray")
    import ray

    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(8):
        (raw / f"{number}.txt").write_text(f"text {number}")
    mark = b"closure "
    stage = {"source": raw, "codec": "bytes", "stage": "s", "read": lambda path: mark + Path(path).read_bytes()}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        outcome = read_directory(**stage, target=tmp_path / "together", shards=4, executor=RayExecutor(max_retries=1))
    finally:
        ray.shutdown()
    assert (outcome.outcome, outcome.counts["entries"]) == ("committed", 8)
    read_directory(**stage, target=tmp_path / "alone")
    assert contents(tmp_path / "together") == contents(tmp_path / "alone")
    assert attempts_left(tmp_path / "together") == []


def test_where_it_is_not_installed_that_is_said() -> None:
    if find_spec("ray"):
        pytest.skip("Ray is installed here")
    with pytest.raises(ArgumentRefused, match="pip install ray"):
        RayExecutor()
