"""Ray Data: its reader for the format, or the list of paths, then a map that writes a file for each row."""

from __future__ import annotations

import atexit
import logging
import os
from functools import cache, partial
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import numpy as np
import ray
import ray.data

from benchmarks.work import STEPS, Step


def run(source: Path, scratch: Path, *, case: str) -> None:
    _start()
    for number, step in enumerate(STEPS[case]):
        target = scratch / step.folder
        target.mkdir()
        _rows(source, step).map(partial(_save, case=case, number=number, target=target)).materialize()
        source = target


@cache
def _start() -> None:
    session = mkdtemp(prefix="ray-")  # not with the outputs: the path of a socket must be short
    atexit.register(lambda: (ray.shutdown(), rmtree(session, ignore_errors=True)))
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, _temp_dir=session)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _rows(source: Path, step: Step) -> ray.data.Dataset:
    if step.suffix == ".png":
        return ray.data.read_images(os.fspath(source), include_paths=True, file_extensions=["png"])
    # ``read_numpy`` would make a row of each array's row.
    names = [entry.path for entry in os.scandir(source) if entry.name.endswith(step.suffix)]
    return ray.data.from_items([{"path": name} for name in names])


def _save(row: dict[str, Any], case: str, number: int, target: Path) -> dict[str, str]:
    step = STEPS[case][number]
    name = os.path.splitext(os.path.basename(row["path"]))[0]
    np.save(target / f"{name}.npy", step.work(row["image"] if "image" in row else step.load(row["path"])))
    return {"name": name}
