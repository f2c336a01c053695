"""The users' functions: what is done to a file, the same for every contender. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from skimage import io

_LOGISTIC_STEPS = 800


def read_image(path: str) -> Any:
    return (path, io.imread(path)) if path.endswith(".png") else None


def red_channel(image: Any) -> Any:
    return image[:, :, 0]


def red_channel_copied(image: Any) -> Any:
    """For ``numpy.save``, which writes an array that is not contiguous item by item, at four times the time."""
    return np.ascontiguousarray(image[:, :, 0])


def double(array: Any) -> Any:
    return array * 2


def same(array: Any) -> Any:
    return array


def logistic_map(array: Any) -> Any:
    """Some milliseconds of Python that hold the interpreter's lock, as parsers and scores do."""
    results = []
    for value in array.tolist():
        for _ in range(_LOGISTIC_STEPS):
            value = 3.9 * value * (1 - value)
        results.append(value)
    return np.array(results)


def read_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


class Step(NamedTuple):
    """One directory into the next, for those who have no stages.

    :param folder: the name of the directory that is made.
    :param suffix: of the files that are read; those that are written are ``npy``.
    """

    folder: str
    suffix: str
    load: Callable[[str], Any]
    work: Callable[[Any], Any]

    def run(self, path: str) -> Any:
        return self.work(self.load(path))


_TO_NUMPY = Step("interim", ".png", io.imread, same)

STEPS: dict[str, tuple[Step, ...]] = {
    "images": (_TO_NUMPY, Step("final", ".npy", np.load, red_channel_copied)),
    "images, not copied": (_TO_NUMPY, Step("final", ".npy", np.load, red_channel)),
    "python": (Step("results", ".npy", np.load, logistic_map),),
}
"""What loops and peers do, by case."""
