"""A report of a week, which starts when the totals of its seven days have been committed."""

# [START weekly]
from airflow.sdk import DAG, PartitionedAssetTimetable, RollupMapper, StartOfWeekMapper, WeekWindow

from airflow_dirops import StagedTransformOperator, partitions, target_asset

TOTALS = target_asset("final/totals/{partition}")
MONDAY = StartOfWeekMapper(input_format="%Y-%m-%d", output_format="%Y-%m-%d")
WEEK = RollupMapper(upstream_mapper=MONDAY, window=WeekWindow())


def report(records):
    return {record.key: record.value for record in records}


with DAG("weekly", schedule=PartitionedAssetTimetable(assets=TOTALS, default_partition_mapper=WEEK)):
    StagedTransformOperator(
        task_id="report",
        source=partitions(TOTALS, of="week"),
        target="final/weekly/{partition}",
        aggregate=report,
        codec="json",
    )
# [END weekly]
