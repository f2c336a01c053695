"""A report for each week over the days that another stage committed; the three ways to meet a missing day."""

from airflow.sdk import DAG

from airflow_dirops import StagedTransformOperator, partitions, weekly_partitions


def days(records):
    return " ".join(record.key for record in records)


for missing in ("fail", "allow", "wait"):
    with DAG(f"report_{missing}", schedule=weekly_partitions("0 3 * * 1")):
        StagedTransformOperator(
            task_id="report",
            source=partitions("interim/for_report/{partition}", partition_format="%Y-%m-%d", missing=missing),
            target=f"final/report_{missing}/{{partition}}",
            aggregate=days,
            codec="text",
        )
