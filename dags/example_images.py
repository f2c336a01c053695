"""Photographs, a folder for each day: to NumPy arrays, then to their red channel.

Switch it on and it runs every night for the day that has ended. Trigger it by hand and the form asks which
day. A backfill does many days. One file that cannot be read does not stop the rest: it is set aside and
listed in the manifest.
"""

# [START images]
from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator, daily_partitions, dirops_params


def read_image(path):
    if path.endswith(".png"):
        from skimage import io  # here, and not above: Airflow reads this file every few seconds

        return path, io.imread(path)


def red_channel(image):
    return image[:, :, 0]


with DAG("example_images", schedule=daily_partitions("0 2 * * *"), params=dirops_params(), doc_md=__doc__):
    to_numpy = DirectoryReadOperator(
        task_id="to_numpy",
        source="raw/images/{partition}",
        target="interim/to_numpy/{partition}",
        read=read_image,
        on_error="quarantine",
        max_failures="5%",
    )
    StagedTransformOperator(
        task_id="red_channel",
        source=to_numpy.output,
        target="final/red_channel/{partition}",
        transform=red_channel,
    )
# [END images]
