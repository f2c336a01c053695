"""Airflow with one mapped task for each file and step: what a stage replaces."""

from __future__ import annotations

from airflow.sdk import DAG, task


@task
def list_images(source: str) -> list[str]:
    from pathlib import Path

    return sorted(map(str, Path(source).glob("*.png")))


@task
def to_numpy(path: str, target: str) -> str:
    from skimage import io

    return _save(path, target, io.imread(path))


@task
def red_channel(path: str, target: str) -> str:
    import numpy as np

    return _save(path, target, np.load(path)[:, :, 0])


def _save(path: str, target: str, value: object) -> str:
    from pathlib import Path

    import numpy as np

    Path(target).mkdir(parents=True, exist_ok=True)
    output = Path(target, Path(path).stem).with_suffix(".npy")
    np.save(output, value)
    return str(output)


with DAG("per_file", schedule=None, params={"source": "", "target": ""}):
    arrays = to_numpy.partial(target="{{ params.target }}/interim").expand(path=list_images("{{ params.source }}"))
    red_channel.partial(target="{{ params.target }}/final").expand(path=arrays)
