"""Options for all stages of a DAG: mapped ones, and those that are made of functions."""

from pathlib import Path

from airflow.sdk import DAG, task

from airflow_dirops import DirectoryReadOperator, daily_partitions, dirops_params


def read_text(path):
    if path.endswith("bad.txt"):
        raise ValueError("bad")
    return Path(path).read_text()


with DAG(
    "shared",
    schedule=daily_partitions("0 2 * * *"),
    params=dirops_params(),
    default_args={"codec": "text", "on_error": "quarantine", "max_failures": 1, "version": "1", "retries": 1},
):
    texts = DirectoryReadOperator.partial(task_id="texts", read=read_text, workers=2).expand_kwargs(
        [
            {"source": f"raw/shared/{site}/{{partition}}", "target": f"interim/shared/{site}/{{partition}}"}
            for site in ("north", "south")
        ]
    )

    @task.staged_transform(
        source="interim/shared/north/{partition}", target="final/shared/{{ ti.map_index }}/{partition}"
    )
    def marked(text, mark):
        return text.upper() + mark

    texts >> marked.expand(mark=["!", "?"])
