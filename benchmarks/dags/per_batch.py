"""Airflow with a mapped task for each batch of files and step: loops by hand, in as many tasks as there are slots."""

from __future__ import annotations

from airflow.sdk import DAG, task

_BATCHES = 2


@task
def batches_of(source: str, suffix: str) -> list[list[str]]:
    from pathlib import Path

    paths = sorted(map(str, Path(source).glob(f"*{suffix}")))
    return [paths[number::_BATCHES] for number in range(_BATCHES)]


@task
def to_numpy(paths: list[str], target: str) -> str:
    from skimage import io

    for path in paths:
        _save(path, target, io.imread(path))
    return target


@task
def red_channel(paths: list[str], target: str) -> None:
    import numpy as np

    for path in paths:
        _save(path, target, np.load(path)[:, :, 0])


def _save(path: str, target: str, value: object) -> None:
    from pathlib import Path

    import numpy as np

    Path(target).mkdir(parents=True, exist_ok=True)
    np.save(Path(target, Path(path).stem).with_suffix(".npy"), value)


with DAG("per_batch", schedule=None, params={"source": "", "target": ""}):
    images = batches_of("{{ params.source }}", ".png")
    arrays = to_numpy.partial(target="{{ params.target }}/interim").expand(paths=images)
    listed = batches_of.override(task_id="batches_of_arrays")("{{ params.target }}/interim", ".npy")
    arrays >> listed
    red_channel.partial(target="{{ params.target }}/final").expand(paths=listed)
