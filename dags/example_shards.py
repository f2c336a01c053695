"""The stages of ``example_images``, each in many tasks of Airflow: on as many machines as its executor has.

Where one machine is not enough, a stage becomes a task group with one more word: its plan is cut into shards, each is a
task of its own, and one commit makes all of it visible at once.
"""

# [START shards]
from airflow.sdk import DAG, task

from airflow_dirops import DirectoryReadOperator, daily_partitions, dirops_params


def read_image(path):
    from skimage import io

    return io.imread(path)


with DAG("example_shards", schedule=daily_partitions("0 2 * * *"), params=dirops_params(), doc_md=__doc__):
    to_numpy = DirectoryReadOperator.sharded(
        8,
        task_id="to_numpy",
        source="raw/images/{partition}",
        target="interim/in_shards/{partition}",
        read=read_image,
        pattern="**/*.png",
        on_error="quarantine",
        max_failures="5%",
        shard_args={"retries": 2, "max_active_tis_per_dagrun": 4},
    )

    @task.staged_transform(source=to_numpy.output, target="final/in_shards/{partition}", shards=8)
    def red_channel(image):
        return image[:, :, 0]

    red_channel()
# [END shards]
