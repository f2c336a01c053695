"""Curves of presses at several sites, a folder for each site and day; the sites are those that are there in the night.

A site that fails leaves the others alone; clear it to run it again. In the grid each instance says its site and day.
"""

# [START sites]
from pathlib import Path

from airflow.sdk import DAG, task, task_group
from airflow.sdk.configuration import conf

from airflow_dirops import (
    DirectoryReadOperator,
    StagedTransformOperator,
    current_partition,
    daily_partitions,
    dirops_params,
)


def read_curve(path):
    import numpy as np  # here, and not above: Airflow reads this file every few seconds

    return np.loadtxt(path, delimiter=",", skiprows=1)


def peak(curve):
    return {"peak_bar": curve[:, 1].max()}


with DAG("example_sites", schedule=daily_partitions("0 2 * * *"), params=dirops_params(), doc_md=__doc__):

    @task
    def list_sites():
        folders = Path(conf.get("dirops", "root"), "raw/sites").glob(f"*/{current_partition()}")
        return sorted(folder.parent.name for folder in folders)

    @task_group
    def each(site):
        curves = DirectoryReadOperator(
            task_id="curves",
            source="raw/sites/{site}/{partition}",
            target="interim/sites/{site}/{partition}",
            dimensions={"site": site},
            pattern="**/*.csv",
            read=read_curve,
        )
        StagedTransformOperator(
            task_id="peaks",
            source=curves.output,
            target="final/peaks/{site}/{partition}",
            transform=peak,
            codec="json",
        )

    each.expand(site=list_sites())
# [END sites]
