"""Sites that are listed as a run starts, one of which may fail; and tasks that are no stages, and ask for the day."""

from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task, task_group
from airflow.sdk.configuration import conf

from airflow_dirops import (
    DirectoryReadOperator,
    StagedTransformOperator,
    current_partition,
    daily_partitions,
    open_snapshot,
)


def read_text(path):
    text = Path(path).read_text()
    if text == "broken":
        raise ValueError("this press is broken")
    return text


with DAG("sites", schedule=daily_partitions("0 2 * * *")):

    @task
    def list_sites():
        return sorted(folder.name for folder in Path(conf.get("dirops", "root"), "raw/sites").iterdir())

    @task_group
    def each(site):
        read = DirectoryReadOperator(
            task_id="read",
            source="raw/sites/{site}/{partition}",
            target="interim/sites/{site}/{partition}",
            dimensions={"site": site},
            read=read_text,
            codec="text",
        )
        upper = StagedTransformOperator(
            task_id="upper",
            source=read.output,
            target="final/sites/{site}/{partition}",
            transform=str.upper,
            codec="text",
        )

        @task
        def count(site, made):
            with open_snapshot("final/sites/{site}/{partition}", dimensions={"site": site}) as snapshot:
                return f"{site} {current_partition()} {len(list(snapshot))} {made['dimensions']['site']}"

        count(site, upper.output)

    each.expand(site=list_sites()) >> BashOperator(
        task_id="say", bash_command="echo day {{ dirops.partition }}", trigger_rule="all_done"
    )
    BashOperator(task_id="say_ds", bash_command="echo day {{ ds }}")
