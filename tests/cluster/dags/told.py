"""Stages that last some seconds, so that what Airflow shows of them can be looked at."""

import time
from pathlib import Path

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator


def read_in_half_a_second(path):
    time.sleep(0.5)
    return Path(path).read_text()


with DAG("told", schedule=None):
    DirectoryReadOperator(
        task_id="read", source="raw/told", target="interim/told", read=read_in_half_a_second, codec="text"
    )

for dag_id, source in {"counted": "raw/counted", "uncounted": "raw/nowhere"}.items():
    with DAG(dag_id, schedule=None):
        DirectoryReadOperator(
            task_id="read", source=source, target=f"interim/{dag_id}", read=read_in_half_a_second, codec="text"
        )
