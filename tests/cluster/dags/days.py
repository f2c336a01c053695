"""Dated folders: the first stage, a DAG that its asset starts, and one that waits for its manifest."""

from pathlib import Path

from airflow.sdk import DAG, Asset, PartitionedAssetTimetable

from airflow_dirops import (
    DirectoryReadOperator,
    ManifestSensor,
    StagedTransformOperator,
    daily_partitions,
    dirops_params,
    hourly_partitions,
    monthly_partitions,
    weekly_partitions,
)

UPPER = Asset("upper")


def read_text(path):
    return Path(path).read_text()


with DAG("days", schedule=daily_partitions("0 2 * * *"), params=dirops_params()):
    DirectoryReadOperator(
        task_id="upper",
        source="raw/days/{partition}",
        target="interim/days/{partition}",
        read=lambda path: read_text(path).upper(),
        codec="text",
        outlets=[UPPER],
    )

with DAG("days_started", schedule=PartitionedAssetTimetable(assets=UPPER)):
    StagedTransformOperator(
        task_id="reverse",
        source="interim/days/{partition}",
        target="final/reversed/{partition}",
        transform=lambda text: text[::-1],
        codec="text",
    )

with DAG("days_awaited", schedule=daily_partitions("0 2 * * *")):
    wait = ManifestSensor(
        task_id="wait", target="interim/days/{partition}", min_files=2, poke_interval=1, deferrable=True
    )
    StagedTransformOperator(
        task_id="length",
        source=wait.output,
        target="final/length/{partition}",
        transform=len,
        codec="json",
    )

with DAG("classic", schedule="0 2 * * *", params=dirops_params()):
    DirectoryReadOperator(
        task_id="read",
        source="raw/days/{partition}",
        target="interim/classic/{partition}",
        read=read_text,
        codec="text",
    )


CADENCES = {
    "hours": hourly_partitions("5 * * * *", timezone="Europe/Berlin", partition_format="%Y/%m/%d/%H%z"),
    "weeks": weekly_partitions("0 2 * * 1"),
    "months": monthly_partitions("0 2 1 * *", partition_format="%Y/%m"),
}

for dag_id, schedule in CADENCES.items():
    with DAG(dag_id, schedule=schedule, params=dirops_params()):
        read = DirectoryReadOperator(
            task_id="read",
            source=f"raw/{dag_id}/{{partition}}",
            target=f"interim/{dag_id}/{{partition}}",
            read=read_text,
            codec="text",
        )
        found = ManifestSensor(task_id="found", target=f"interim/{dag_id}/{{partition}}", poke_interval=1)
        read >> found
