"""Stages in one process and in two, of functions that no other process could import."""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from airflow.sdk import DAG, Variable

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator


def scaled_by(factor):
    def scaled(array):
        return array * factor

    return scaled


def shifted(array, by):
    return array + by


def read_or_die(path):
    text = Path(path).read_text()
    if text == "dies":
        os._exit(3)
    if text == "hangs":
        time.sleep(600)
    return text


for workers in (1, 2):
    with DAG(f"shapes_{workers}", schedule=None):
        read = DirectoryReadOperator(
            task_id="lambda",
            source="raw/numbers",
            target=f"interim/{workers}/lambda",
            read=lambda path: np.array(Path(path).read_text().split(), float),
            workers=workers,
        )
        for name, transform in {"closure": scaled_by(2), "partial": partial(shifted, by=0.5)}.items():
            read = StagedTransformOperator(
                task_id=name,
                source=read.output,
                target=f"interim/{workers}/{name}",
                transform=transform,
                workers=workers,
            )
        StagedTransformOperator(
            task_id="processes",
            source=read.output,
            target=f"interim/{workers}/processes",
            transform=lambda array: {"id": os.getpid(), "daemon": multiprocessing.current_process().daemon},
            codec="json",
            workers=workers,
        )

    with DAG(f"asks_{workers}", schedule=None):
        DirectoryReadOperator(
            task_id="read",
            source="raw/numbers",
            target=f"interim/{workers}/asks",
            read=lambda path: Variable.get("threshold"),
            codec="text",
            workers=workers,
            retries=3,
        )

with DAG("mishaps", schedule=None):
    DirectoryReadOperator(
        task_id="read",
        source="raw/mishaps",
        target="interim/mishaps",
        read=read_or_die,
        codec="text",
        on_error="quarantine",
        file_timeout=2,
        workers=2,
    )

with DAG("shared", schedule=None):
    DirectoryReadOperator(
        task_id="read",
        source="raw/shared",
        target="interim/shared",
        read=lambda path: Path(path).read_text(),
        codec="text",
    )

with DAG("pooled", schedule=None):
    DirectoryReadOperator(
        task_id="read",
        source="raw/numbers",
        target="interim/pooled",
        read=lambda path: Path(path).read_text(),
        codec="text",
        shards=4,
        shard_executor=lambda: ProcessPoolExecutor(2),
    )
