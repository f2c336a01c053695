"""A Dask bag of paths, in chunks, mapped and computed with one of its schedulers."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import dask
import dask.bag
import numpy as np

from benchmarks.work import STEPS, Step

_PARTITIONS = 100


def run(source: Path, scratch: Path, *, case: str, scheduler: str) -> None:
    with dask.config.set(scheduler=scheduler, num_workers=2):
        for number, step in enumerate(STEPS[case]):
            target = scratch / step.folder
            target.mkdir()
            names = [entry.path for entry in os.scandir(source) if entry.name.endswith(step.suffix)]
            bag = dask.bag.from_sequence(names, npartitions=min(_PARTITIONS, len(names)))
            bag.map(partial(_save, case=case, number=number, target=target)).compute()
            source = target


def _save(path: str, case: str, number: int, target: Path) -> str:
    step: Step = STEPS[case][number]
    name = os.path.splitext(os.path.basename(path))[0]
    np.save(target / f"{name}.npy", step.run(path))
    return name
