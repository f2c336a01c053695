"""Small PNG files of what the DAG ``example_images`` read: a second DAG that goes on where the first one is.

It runs on the same days and waits for each day's manifest. The wait is deferred: it holds no worker, and
what it returns names the snapshot it found, so that the next stage reads exactly that one.
"""

# [START previews]
from airflow.sdk import DAG

from airflow_dirops import ManifestSensor, StagedTransformOperator, daily_partitions, dirops_params


def preview(image):
    return image[::4, ::4]


with DAG("example_previews", schedule=daily_partitions("0 2 * * *"), params=dirops_params(), doc_md=__doc__):
    wait = ManifestSensor(
        task_id="wait",
        target="interim/to_numpy/{partition}",
        min_files=10,
        deferrable=True,
    )
    StagedTransformOperator(
        task_id="preview",
        source=wait.output,
        target="final/preview/{partition}",
        transform=preview,
        codec="image",
    )
# [END previews]
