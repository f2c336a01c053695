"""A file with a name in Latin-1 that fails, and says so in its own words."""

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator


def read(path):
    raise ValueError(f"cannot read {path}")


with DAG("unprintable", schedule=None):
    for workers in (1, 2):
        DirectoryReadOperator(
            task_id=f"read_{workers}", source="raw/latin", target=f"interim/latin_{workers}", read=read, workers=workers
        )
