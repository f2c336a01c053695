"""The same with one stage for each step, in two shards each."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator

_SHARDS = 2


def read_image(path):
    from skimage import io

    return (path, io.imread(path)) if path.endswith(".png") else None


def red_channel(image):
    return image[:, :, 0]


with DAG("in_shards", schedule=None, params={"source": "", "target": ""}):
    to_numpy = DirectoryReadOperator.sharded(
        _SHARDS,
        task_id="to_numpy",
        source="{{ params.source }}",
        target="{{ params.target }}/interim",
        read=read_image,
    )
    StagedTransformOperator.sharded(
        _SHARDS,
        task_id="red_channel",
        source=to_numpy.output,
        target="{{ params.target }}/final",
        transform=red_channel,
    )
