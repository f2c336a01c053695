"""Kedro's PartitionedDataset, loaded and saved lazily: dictionaries of functions, one for each file."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset, DataCatalog
from kedro.pipeline import node, pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.partitions import PartitionedDataset
from skimage import io

from benchmarks.work import STEPS, Step

logging.disable(logging.WARNING)


class ImageDataset(AbstractDataset):
    def __init__(self, filepath: str) -> None:
        self._filepath = filepath

    def load(self) -> Any:
        return io.imread(self._filepath)

    def save(self, data: Any) -> None:
        io.imsave(self._filepath, data)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}


class NpyDataset(ImageDataset):
    def load(self) -> Any:
        return np.load(self._filepath)

    def save(self, data: Any) -> None:
        np.save(self._filepath, data)


_DATASETS = {".png": ImageDataset, ".npy": NpyDataset}


def run(source: Path, scratch: Path, *, case: str) -> None:
    steps = STEPS[case]
    catalog = {"source": _dataset(source, steps[0].suffix)}
    names = ["source", *(step.folder for step in steps)]
    for step in steps:
        (scratch / step.folder).mkdir()
        catalog[step.folder] = _dataset(scratch / step.folder, ".npy")
    nodes = [node(_lazily(step), before, step.folder) for before, step in zip(names, steps, strict=False)]
    SequentialRunner().run(pipeline(nodes), DataCatalog(catalog))


def _dataset(folder: Path, suffix: str) -> PartitionedDataset:
    return PartitionedDataset(path=os.fspath(folder), dataset=_DATASETS[suffix], filename_suffix=suffix)


def _lazily(step: Step) -> Any:
    def convert(partitions: dict[str, Any]) -> dict[str, Any]:
        return {name: (lambda load=load: step.work(load())) for name, load in partitions.items()}

    return convert
