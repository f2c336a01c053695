"""How much two arrays or pictures differ, and where."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from PIL import Image

from airflow_dirops.core.insight.elements import differing_at, distances_between, sum_up
from airflow_dirops.web.previews.arrays import look_at_array, read_npy
from airflow_dirops.web.previews.pictures import FORMATS, MAX_PIXELS
from airflow_dirops.web.previews.shapes import Nothing, Preview


def look_at_difference(before: IO[bytes], after: IO[bytes], kind: str, side: int) -> Preview:
    """The distance of each element from what it was, as a picture or a curve; in words how many differ.

    :param kind: of both, as :func:`~airflow_dirops.web.previews.kinds.kind_of` says.
    :param side: how large a picture may be, in pixels.
    """
    if kind not in ("npy", "picture"):
        return Nothing(note="the bytes differ")
    one, other = (_array(file, kind) for file in (before, after))
    if one is None or other is None:
        return Nothing(note="one of them cannot be compared")
    if one.shape != other.shape:
        return Nothing(note=f"{_shape(one)} became {_shape(other)}")
    if one.dtype.kind not in "biuf" or other.dtype.kind not in "biuf":
        return Nothing(note=f"{int(np.sum(one != other)):,} of {one.size:,} elements differ")
    differs, distance = differing_at(one, other), distances_between(one, other)
    found = sum_up(differs, distance)
    note = f"{found.number:,} of {one.size:,} elements differ, by at most {found.largest:.6g}"
    distance = np.where(differs, distance, 0.0)  # two that are no number, or infinite, are the same
    if distance.ndim > 1 and distance.shape[-1] in (3, 4):
        distance = distance.max(axis=-1)
    return look_at_array(distance, side, note)


def _array(file: IO[bytes], kind: str) -> Any:
    if kind == "npy":
        return read_npy(file)[0]
    with Image.open(file, formats=FORMATS) as image:
        return None if image.width * image.height > MAX_PIXELS else np.asarray(image)


def _shape(array: Any) -> str:
    return f"{'×'.join(map(str, array.shape)) or 'one'} {array.dtype}"
