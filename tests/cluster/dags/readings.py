"""Readings of a day as JSON files: a day's total, and a report for each week."""

# [START readings]
import json
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_dirops import (
    DirectoryReadOperator,
    StagedTransformOperator,
    daily_partitions,
    dirops_params,
    partitions,
    weekly_partitions,
)


def total(records):
    return sum(record.value["count"] for record in records)


def report(records):
    return {record.key: record.value for record in records}


with DAG("readings", schedule=daily_partitions("0 2 * * *"), params=dirops_params()):
    read = DirectoryReadOperator(
        task_id="read",
        source="raw/readings/{partition}",
        target="interim/readings/{partition}",
        read=lambda path: json.loads(Path(path).read_text()),
        codec="json",
        empty="skip",
    )
    StagedTransformOperator(
        task_id="total",
        source=read.output,
        target="final/readings/{partition}",
        aggregate=total,
        codec="json",
    )

with DAG("readings_of_week", schedule=weekly_partitions("0 3 * * 1"), params=dirops_params()):
    StagedTransformOperator(
        task_id="report",
        source=partitions("final/readings/{partition}", partition_format="%Y-%m-%d", missing="wait"),
        target="final/readings_of_week/{partition}",
        aggregate=report,
        codec="json",
        execution_timeout=timedelta(hours=12),
    )
# [END readings]
