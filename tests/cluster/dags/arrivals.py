"""Folders that an uploader fills, and says so with a marker."""

from pathlib import Path

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, DirectorySensor, daily_partitions

with DAG("arrivals", schedule=daily_partitions("0 2 * * *")):
    arrived = DirectorySensor(
        task_id="arrived", directory="raw/arrivals/{partition}", marker="_READY", poke_interval=1, deferrable=True
    )
    DirectoryReadOperator(
        task_id="read",
        source=arrived.output,
        target="interim/arrivals/{partition}",
        read=lambda path: Path(path).read_text(),
        codec="text",
    )
