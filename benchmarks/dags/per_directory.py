"""The same with one stage for each step."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator


def read_image(path):
    from skimage import io

    return (path, io.imread(path)) if path.endswith(".png") else None


def red_channel(image):
    return image[:, :, 0]


with DAG("per_directory", schedule=None, params={"source": "", "target": ""}):
    to_numpy = DirectoryReadOperator(
        task_id="to_numpy",
        source="{{ params.source }}",
        target="{{ params.target }}/interim",
        read=read_image,
    )
    StagedTransformOperator(
        task_id="red_channel",
        source=to_numpy.output,
        target="{{ params.target }}/final",
        transform=red_channel,
    )
