"""Two stages, for whoever follows where data came from."""

from pathlib import Path

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator


def read_text(path):
    return Path(path).read_text()


with DAG("traced", schedule=None):
    read = DirectoryReadOperator(
        task_id="read", source="raw/traced", target="interim/traced", read=read_text, codec="text"
    )
    StagedTransformOperator(
        task_id="upper", source=read.output, target="final/traced", transform=str.upper, codec="text"
    )
