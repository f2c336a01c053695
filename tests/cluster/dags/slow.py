"""A stage that takes minutes, for a user who loses patience."""

import os
import time
from pathlib import Path

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator


def read_slowly(path, *, params):
    text = Path(path).read_text()
    if "slow" in text:
        Path(params["pid_file"]).write_text(str(os.getpid()))
        time.sleep(1)
    return text


with DAG("slow", schedule=None, params={"pid_file": ""}):
    DirectoryReadOperator(task_id="read", source="raw/slow", target="interim/slow", read=read_slowly, codec="text")
