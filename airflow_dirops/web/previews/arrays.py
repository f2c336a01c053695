"""Pictures of arrays: images as images, series as curves, records as tables. No header is believed before its file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy_format
from PIL import Image

from airflow_dirops.web.previews.greys import as_grey
from airflow_dirops.web.previews.pictures import as_png
from airflow_dirops.web.previews.shapes import (
    MOST_COLUMNS,
    MOST_CURVES,
    MOST_POINTS,
    MOST_ROWS,
    Curve,
    Curves,
    Nothing,
    Preview,
    Table,
    Text,
)

MAX_BYTES = 64 << 20
"""Of an array that is read whole; of a larger one some slices along its first axis are."""
_MAX_HEADER = 10_000
_HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}
_MOST_SLICES = 512
_MOST_MEMBERS = 16
_FEW = 8


def look_at_npy(file: IO[bytes], side: int) -> Preview:
    """An array of a file."""
    array, note = read_npy(file)
    return Nothing(note=note) if array is None else look_at_array(array, side, note)


def read_npy(file: IO[bytes]) -> tuple[Any, str]:
    """An array of a file, or None; and what it is, or why there is none."""
    return _read(file, os.fstat(file.fileno()).st_size)


def look_at_npz(file: IO[bytes], side: int) -> Preview:
    """The arrays of an archive: as curves if they are some, else the first, and the names of the others."""
    found: dict[str, Any] = {}
    with ZipFile(file) as archive:
        members = archive.infolist()
        left = MAX_BYTES
        for member in members[:_MOST_MEMBERS]:
            with archive.open(member) as content:
                array, _ = _read(content, member.file_size, is_archived=True, limit=left)
            if array is not None:
                found[member.filename.removesuffix(".npy")] = array
                left -= array.nbytes
    names = ", ".join(f"{name} {_described(array)}" for name, array in found.items())[:300]
    if not found:
        return Nothing(note=f"none of its {len(members):,} arrays can be shown")
    series = {name: array for name, array in found.items() if array.ndim == 1 and _is_number(array)}
    if len(series) == len(found):
        return look_at_array(series, side, names)
    return look_at_array(next(iter(found.values())), side, names)


def look_at_array(array: Any, side: int, note: str) -> Preview:
    """An array as what it probably is; a mapping of series as curves."""
    if isinstance(array, Mapping):
        return _curves(array, note)
    if array.size == 0:
        return Nothing(note=f"{note}: it is empty")
    if array.dtype.names is not None:
        return _records(array, note)
    if not _is_number(array):
        return Text(text=np.array2string(array, threshold=50, edgeitems=5), note=note)
    array = np.abs(array) if array.dtype.kind == "c" else array
    if array.ndim == 0:
        return Text(text=str(array[()]), note=note)
    note = f"{note}, {_range(array)}"
    if array.ndim == 1:
        return _curves({"": array}, note)
    if array.ndim == 2 and min(array.shape) <= _FEW < max(array.shape):
        columns = array.T if array.shape[1] <= _FEW else array
        return _curves({str(number): column for number, column in enumerate(columns)}, note)
    return _picture(array, side, note)


def _read(file: IO[bytes], size: int, *, is_archived: bool = False, limit: int = MAX_BYTES) -> tuple[Any, str]:
    """An array, or None and why not."""
    if (read_header := _HEADERS.get(npy_format.read_magic(file))) is None:
        return None, "an array of a version that is not shown"
    shape, fortran, dtype = read_header(file, max_header_size=_MAX_HEADER)
    note = f"{'×'.join(map(str, shape)) or 'one'} {dtype if dtype.names is None else 'records'}"
    if dtype.hasobject:
        return None, f"{note}: Python objects, which could only be unpickled, so they are not decoded"
    count = math.prod(shape)
    if not is_archived and count * dtype.itemsize > size - file.tell():
        return None, f"{note}: but the file ends before that"
    if count * dtype.itemsize <= limit:
        content = file.read(count * dtype.itemsize)
        if len(content) < count * dtype.itemsize:
            return None, f"{note}: but the file ends before that"
        return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C"), note
    if is_archived or fortran:
        return None, f"{note}: more than a preview reads"
    return _some_slices(file, shape, dtype, note)


def _some_slices(file: IO[bytes], shape: tuple[int, ...], dtype: Any, note: str) -> tuple[Any, str]:
    each = math.prod(shape[1:]) * dtype.itemsize
    number = min(_MOST_SLICES, shape[0], MAX_BYTES // each if each else 0)
    if not number:
        return None, f"{note}: more than a preview reads"
    begin, step = file.tell(), shape[0] // number
    slices = []
    for index in range(number):
        file.seek(begin + index * step * each)
        slices.append(np.frombuffer(file.read(each), dtype).reshape(shape[1:]))
    return np.stack(slices), f"{note}, every {step:,}th slice"


def _curves(series: Mapping[str, Any], note: str) -> Curves:
    some = list(series.items())[:MOST_CURVES]
    if len(series) > MOST_CURVES:
        note = f"{note}; the first {MOST_CURVES} of {len(series):,}"
    curves = tuple(Curve(str(name)[:60], _points(np.asarray(values))) for name, values in some)
    return Curves(curves=curves, note=note[:600])


def _points(values: Any) -> tuple[float | None, ...]:
    """So many that each extreme is among them."""
    values = values.astype(np.float64)
    if len(values) > MOST_POINTS:
        parts = np.array_split(values, MOST_POINTS // 2)
        values = np.array([extreme for part in parts for extreme in _extremes(part)])
    return tuple(float(value) if math.isfinite(value) else None for value in values)


def _extremes(part: Any) -> tuple[Any, Any]:
    if np.isnan(part).all():
        return np.nan, np.nan
    low, high = int(np.nanargmin(part)), int(np.nanargmax(part))
    return part[min(low, high)], part[max(low, high)]


def _records(array: Any, note: str) -> Table:
    names = array.dtype.names[:MOST_COLUMNS]
    rows = array.reshape(-1)[:MOST_ROWS]
    cells = tuple(tuple(str(row[name])[:60] for name in names) for row in rows)
    return Table(columns=tuple(name[:60] for name in names), rows=cells, note=note)


def _picture(array: Any, side: int, note: str) -> Preview:
    is_colour = array.ndim == 3 and array.shape[2] in (3, 4)
    while array.ndim > (3 if is_colour else 2):
        note = f"{note}; the middle of axis 0"
        array = array[len(array) // 2]
        is_colour = array.ndim == 3 and array.shape[2] in (3, 4)
        if 0 in array.shape:
            return Nothing(note=note)
    step = max(1, max(array.shape[:2]) // (2 * side))
    return as_png(Image.fromarray(np.ascontiguousarray(as_grey(array[::step, ::step]))), side, note)


def _is_number(array: Any) -> bool:
    return array.dtype.kind in "biufc"


def _described(array: Any) -> str:
    return f"{'×'.join(map(str, array.shape)) or 'one'} {array.dtype}"


def _range(array: Any) -> str:
    if array.dtype.kind == "b":
        return f"{int(array.sum()):,} true"
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if not finite.size:
        return "no finite value"
    gaps = f", {array.size - finite.size:,} not finite" if finite.size < array.size else ""
    return f"{finite.min():.6g} to {finite.max():.6g}{gaps}"
