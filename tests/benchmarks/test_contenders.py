"""Each benchmark can be run: with a few files, and without looking at what it costs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import datasets
from benchmarks.cases import CASES, Case
from benchmarks.contenders import CONTENDERS
from benchmarks.measure import measure
from tests import needs

FILES = 12
NEEDS = {"nothing new: rsync -an": "rsync"}
OURS = [
    pytest.param(case, name, id=f"{key}-{name}")
    for key, case in CASES.items()
    for name in case.contenders
    if name in CONTENDERS and not name.startswith("airflow: ")  # a whole Airflow, as in tests/cluster
]


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inputs")


@pytest.mark.parametrize(("case", "name"), OURS)
def test_every_contender_leaves_its_results(case: Case, name: str, inputs: Path, tmp_path: Path) -> None:
    if name in NEEDS:
        needs.programs(NEEDS[name])
    source = getattr(datasets, case.dataset)(inputs, 3 if case.dataset == "big" else FILES)
    if name.startswith("resume: "):  # what multiprocessing starts for it would outlive this test
        measure(name, Path(sys.executable), source, tmp_path, warm_up=source)
        return
    for _ in range(1 + case.again):
        notes = CONTENDERS[name](source, tmp_path)
    assert all(value >= 0 for value in (notes() if callable(notes) else notes or {}).values())
    assert any(path.is_file() for path in tmp_path.rglob("*"))
