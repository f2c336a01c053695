"""Stages that wait at their last file until a gate is opened: there a test kills, stops or puts them to sleep."""

import os
import time
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator


def read_at_gate(path, *, params):
    if "last" in path:
        # The task leads a process group of its own, which its workers belong to.
        Path(params["task_pid"]).write_text(str(os.getpgrp()))
        while not Path(params["gate"]).exists():
            time.sleep(0.1)
    return Path(path).read_text()


for dag_id, workers in {"killed_1": 1, "killed_2": 2, "asleep": 1, "cleared": 1}.items():
    with DAG(dag_id, schedule=None, params={"task_pid": "", "gate": ""}):
        DirectoryReadOperator(
            task_id="read",
            source="raw/gated",
            target=f"interim/gated/{dag_id}",
            read=read_at_gate,
            codec="text",
            workers=workers,
            retries=1,
            retry_delay=timedelta(0),
        )
