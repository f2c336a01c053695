"""By how much two files differ: arrays and images by their elements, all else in words."""

from __future__ import annotations

import struct
import zipfile
from itertools import islice
from typing import Any, BinaryIO

import numpy as np

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.entries import Entry
from airflow_dirops.core.insight.differing import Amount
from airflow_dirops.core.insight.elements import elements_between
from airflow_dirops.core.insight.values import Tolerance, iter_differences
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.snapshot.reader import Snapshot

MAX_BYTES = 64 << 20
"""Of a file that is compared by its value; and, of a compressed one, of what it holds."""

_MAX_PIXELS = 40_000_000
_MAX_PHRASES = 3
_MAX_TEXT = 300
_PNG_SIZE = slice(16, 24)  # PNG 1.2, 11.2.2: width and height follow the signature and the chunk's name


def amount_between(before: Snapshot, one: Entry, after: Snapshot, other: Entry) -> Amount:
    """Compare the values of two files; what cannot be compared is told, and nothing is raised for it."""
    try:
        for snapshot, entry in ((before, one), (after, other)):
            if why := _too_large(snapshot, entry):
                return Amount(f"not compared: {why}")
        return _between(before.read(one), after.read(other))
    except (DiropsError, MemoryError) as error:
        return Amount(f"not compared: {shown(error, _MAX_TEXT)}")


def _too_large(snapshot: Snapshot, entry: Entry) -> str | None:
    """Why a file is not decoded; a small one may unpack to any size."""
    if entry.size > MAX_BYTES:
        return f"{entry.path!r} has {entry.size:,} bytes, and no more than {MAX_BYTES:,} are read for that"
    kind = snapshot.manifest.codec.name
    if kind not in ("image", "npz"):
        return None
    with snapshot.held.open(entry.path) as file:
        size, limit = (_pixels(file), _MAX_PIXELS) if kind == "image" else (_unpacked(file), MAX_BYTES)
    what = "pixels" if kind == "image" else "bytes unpacked"
    return f"{entry.path!r} has {size:,} {what}, and no more than {limit:,} are read for that" if size > limit else None


def _pixels(file: BinaryIO) -> int:
    start = file.read(_PNG_SIZE.stop)[_PNG_SIZE]
    width, height = struct.unpack(">II", start) if len(start) == 8 else (0, 0)
    return int(width * height)


def _unpacked(file: BinaryIO) -> int:
    try:
        with zipfile.ZipFile(file) as archive:
            return sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile:
        return 0  # decoding says so


def _between(before: Any, after: Any) -> Amount:
    phrases = [*islice(iter_differences(after, before, Tolerance()), _MAX_PHRASES)]
    text = shown("; ".join(phrases) or "the same value, written in other bytes", _MAX_TEXT)
    if not (isinstance(before, np.ndarray) and isinstance(after, np.ndarray)):
        return Amount(text)
    found = elements_between(before, after) if before.shape == after.shape else None
    return Amount(
        text=text,
        shape_before=before.shape,
        shape_after=after.shape,
        dtype_before=str(before.dtype),
        dtype_after=str(after.dtype),
        differing=found.number if found else None,
        elements=after.size,
        largest=found.largest if found else None,
        mean=found.mean if found else None,
    )
