"""Hourly folders that an uploader fills and marks, whenever it comes to it."""

# [START uploads]
from pathlib import Path

from airflow.sdk import DAG, PartitionedAssetTimetable

from airflow_dirops import DirectoryReadOperator, arrivals

UPLOADS = arrivals("raw/uploads/{partition}", marker="_READY", partition_format="%Y-%m-%dT%H", poll_interval=2)

with DAG("uploads", schedule=PartitionedAssetTimetable(assets=UPLOADS)):
    DirectoryReadOperator(
        task_id="read",
        source=UPLOADS,
        target="interim/uploads/{partition}",
        read=lambda path: Path(path).read_text(),
        codec="text",
        pattern="**/*.txt",
    )
# [END uploads]
