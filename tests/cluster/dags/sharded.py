"""Stages in shards, of which the first to come to a gate waits until it is opened: a test kills it there, or clears."""

import os
import time
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, target_asset


def read_at_gate(path, *, key, params):
    if key == params["gated"] and not Path(params["task_pid"]).exists():
        Path(params["task_pid"]).write_text(f"{os.getpgrp()} {os.readlink('/proc/self/ns/pid')}")
        while not Path(params["gate"]).exists():
            time.sleep(0.1)
    if key == params["broken"] and not Path(params["mended"]).exists():
        raise ValueError("this file is broken")
    return Path(path).read_text()


DAGS = {"sharded_64": 64} | dict.fromkeys(("sharded_3", "sharded_cleared", "sharded_conflict", "sharded_stopped"), 3)

for dag_id, shards in DAGS.items():
    params = dict.fromkeys(("gated", "gate", "task_pid", "broken", "mended"), "")
    with DAG(dag_id, schedule=None, params=params):
        DirectoryReadOperator.sharded(
            shards,
            task_id="copy",
            source=f"raw/{dag_id}",
            target=target_asset(f"interim/{dag_id}"),
            read=read_at_gate,
            codec="text",
            retry_delay=timedelta(0),
            shard_args={"retries": 1},
        )
