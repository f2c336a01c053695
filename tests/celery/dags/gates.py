"""Stages that stand still in the middle of their work, at a gate, until somebody opens it."""

import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator

ENDINGS = {
    "stopped": {},
    "overdue": {"execution_timeout": timedelta(seconds=15)},
    "killed": {"retries": 1, "retry_delay": timedelta(0)},
}


def read_at(gate):
    def read(path, *, params):
        text, folder = Path(path).read_text(), Path(params[gate])
        if text == "waits":
            (folder / f"{os.getpid()} {os.readlink('/proc/self/ns/pid')}").touch()
            while not (folder / "open").exists():
                time.sleep(0.05)
        return np.array([len(text)])

    return read


for name, arguments in ENDINGS.items():
    with DAG(name, schedule=None, params={"gate": ""}):
        DirectoryReadOperator(
            task_id="read",
            source=f"raw/{name}",
            target=f"interim/{name}",
            read=read_at("gate"),
            workers=2,
            **arguments,
        )
