"""Paths below the root of a connection, in operators and in a sensor that waits in the triggerer."""

from pathlib import Path

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, ManifestSensor, StagedTransformOperator


def read_text(path):
    return Path(path).read_text()


with DAG("rooted", schedule=None, default_args={"root_conn_id": "archive"}):
    read = DirectoryReadOperator(task_id="read", source="raw", target="interim", read=read_text, codec="text")
    wait = ManifestSensor(task_id="wait", target="interim", deferrable=True)
    read >> wait
    StagedTransformOperator(task_id="upper", source=wait.output, target="final", transform=str.upper, codec="text")
