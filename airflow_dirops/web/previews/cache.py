"""Previews that were made already, by the very file that they are of; no more than so many bytes of them."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from airflow_dirops.web.previews.decoding import BUSY, TOO_SLOW, previews_of
from airflow_dirops.web.previews.shapes import Curves, Picture, Preview, Table, Text

MAX_BYTES = 16 << 20


class _Key(NamedTuple):
    """A file as the file system knows it: what a manifest says of it may be said of another one too."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    kind: str
    side: int


class PreviewCache:
    """Keeps what was asked for last.

    :param limit: in bytes.
    """

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self._limit = limit
        self._bytes = 0
        self._kept: OrderedDict[_Key, Preview] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return self._bytes

    def previews_of(self, files: Sequence[tuple[int, str]], side: int) -> list[Preview]:
        """As :func:`~airflow_dirops.web.previews.decoding.previews_of`, for what is not kept."""
        keys = [_key(descriptor, kind, side) for descriptor, kind in files]
        found = {key: kept for key in keys if (kept := self._get(key))}
        missing = [(key, file) for key, file in zip(keys, files, strict=True) if key not in found]
        made = previews_of([file for _, file in missing], side) if missing else []
        for (key, _), preview in zip(missing, made, strict=True):
            found[key] = preview
            if preview not in (BUSY, TOO_SLOW):
                self._put(key, preview)
        return [found[key] for key in keys]

    def _get(self, key: _Key) -> Preview | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _put(self, key: _Key, preview: Preview) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = preview
                self._bytes += _size(preview)
            while self._bytes > self._limit:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= _size(dropped)


def _key(descriptor: int, kind: str, side: int) -> _Key:
    status = os.fstat(descriptor)
    return _Key(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, kind, side)


def _size(preview: Preview) -> int:
    """About what it takes in memory."""
    match preview:
        case Picture(png=png):
            return len(png) + 500
        case Curves(curves=curves):
            return sum(32 * len(curve.points) for curve in curves) + 500
        case Table(rows=rows):
            return sum(len(cell) + 60 for row in rows for cell in row) + 500
        case Text(text=text):
            return 4 * len(text) + 500
        case _:
            return 1000
