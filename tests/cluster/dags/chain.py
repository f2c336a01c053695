"""Three DAGs, each started by what the one before committed, and a fourth once a week is complete."""

# [START chain]
import json
from pathlib import Path

from airflow.sdk import DAG, PartitionedAssetTimetable

from airflow_dirops import (
    DirectoryReadOperator,
    StagedTransformOperator,
    daily_partitions,
    dirops_params,
    target_asset,
)

COUNTS = target_asset("interim/counts/{partition}")
CLEAN = target_asset("interim/clean/{partition}")
TOTALS = target_asset("final/totals/{partition}")

with DAG("counts", schedule=daily_partitions("0 2 * * *"), params=dirops_params()):
    DirectoryReadOperator(
        task_id="read",
        source="raw/counts/{partition}",
        target=COUNTS,
        read=lambda path: json.loads(Path(path).read_text()),
        codec="json",
    )

with DAG("clean", schedule=PartitionedAssetTimetable(assets=COUNTS)):
    StagedTransformOperator(
        task_id="clean",
        source=COUNTS,
        target=CLEAN,
        transform=lambda counts: [count for count in counts if count >= 0],
        codec="json",
    )

with DAG("totals", schedule=PartitionedAssetTimetable(assets=CLEAN)):
    StagedTransformOperator(task_id="add", source=CLEAN, target=TOTALS, transform=sum, codec="json")
# [END chain]
