"""How many CPUs there are to use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dirops.core.processes import available_cpus
from airflow_dirops.core.processes.cpus import _quota
from tests.core.children import ROOT

NONE = sys.maxsize


@pytest.mark.parametrize(
    ("membership", "files", "cpus"),
    [
        pytest.param("0::/\n", {"cpu.max": "150000 100000\n"}, 2, id="version 2, rounded up"),
        pytest.param("0::/\n", {"cpu.max": "max 100000\n"}, NONE, id="version 2, unlimited"),
        pytest.param("0::/\n", {"cpu.max": "1000 100000\n"}, 1, id="version 2, next to nothing"),
        pytest.param("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3, id="from above"),
        pytest.param("0::/host/x\n", {"cpu.max": "200000 100000"}, 2, id="a container sees the host's path"),
        pytest.param("0::/x\n", {"unified/x/cpu.max": "200000 100000"}, 2, id="both versions mounted"),
        pytest.param(
            "4:cpu,cpuacct:/x\n1:name=systemd:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "250000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"},
            3,
            id="version 1",
        ),
        pytest.param(
            "4:cpu,cpuacct:/x\n",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            NONE,
            id="version 1, unlimited",
        ),
        pytest.param("4:cpuset:/\n", {"cpuset/cpu.cfs_quota_us": "1"}, NONE, id="another controller"),
        pytest.param("0::/\n", {"cpu.max": "nonsense"}, NONE, id="nonsense"),
        pytest.param("", {}, NONE, id="no cgroups"),
    ],
)
def test_the_quota_of_a_cgroup(tmp_path: Path, membership: str, files: dict[str, str], cpus: int) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert _quota(tmp_path, membership) == cpus


def test_affinity_counts() -> None:
    assert 1 <= available_cpus() <= len(os.sched_getaffinity(0))
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from airflow_dirops.core.processes import available_cpus; print(available_cpus())"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "1\n"
