"""Read a snapshot's lists back, one line at a time, and check them on the way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from io import BufferedReader
from typing import Any

from airflow_dirops.core.errors import ManifestDamaged, SnapshotDamaged, storage_errors
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY, order_of
from airflow_dirops.core.format.lines import BLOCK_BYTES, LineCutOff, LineDecoder, LineRefused, LineTooLong, iter_lines
from airflow_dirops.core.format.lists import LINE_TYPES, MAX_LINE_BYTES
from airflow_dirops.core.format.manifest import ListName
from airflow_dirops.core.format.members import UNDECODABLE
from airflow_dirops.core.place.held import Held, name_in


def iter_list(held: Held, name: ListName) -> Iterator[Any]:
    """The lines of a list, as :func:`iter_ordered`, alone."""
    return (line for _, line in iter_ordered(held, name))


def iter_ordered(held: Held, name: ListName) -> Iterator[tuple[bytes, Any]]:
    """The lines of a list, decoded one at a time, checked against the header's digest at the end.

    :param name: one of :data:`LISTS`.
    :returns: each with what its path is sorted by.
    :raises ManifestDamaged: if a line cannot be read, or the list is not the one the header describes.
    :raises StorageError: if the list cannot be read, and may be whole.
    """
    where = name_in(held, f"{MANIFEST_DIRECTORY}/{name}")
    decode, digest, count, before = LineDecoder(LINE_TYPES[name]), hashlib.sha256(), 0, b""
    try:
        for line in _iter_lines(held, name, where, digest):
            count += 1
            decoded = decode(line)
            order = order_of(decoded.path)
            if order <= before:
                raise ManifestDamaged(_damaged(where, f"line {count} is out of order: {decoded.path!r}"))
            before = order
            yield order, decoded
    except (LineTooLong, LineCutOff) as error:
        raise ManifestDamaged(_damaged(where, f"line {count + 1} cannot be read: {error}")) from error
    except LineRefused as error:
        raise ManifestDamaged(_damaged(where, f"line {count} {error}")) from error
    except UNDECODABLE as error:
        raise ManifestDamaged(_damaged(where, f"line {count} cannot be read: {error}")) from error
    record = held.manifest.lists.get(name)
    if record is None or (count, digest.hexdigest()) != (record.lines, record.digest):
        raise ManifestDamaged(_damaged(where, "it is not the list that its manifest.json describes"))


def find_line(held: Held, name: ListName, path: str) -> Any | None:
    """The line of one path, found without reading the others, since lists are in order; None if there is none.

    :param name: one of :data:`LISTS`.
    :raises ManifestDamaged: if a line on the way cannot be read.
    :raises StorageError: if the list cannot be read, and may be whole.
    """
    where = name_in(held, f"{MANIFEST_DIRECTORY}/{name}")
    decode, wanted = LineDecoder(LINE_TYPES[name]), order_of(path)
    with _opened(held, name, where) as file, storage_errors("reading", where):
        low, high = 0, file.seek(0, os.SEEK_END)
        while low < high:
            middle = (low + high) // 2
            file.seek(max(low, middle - 1))
            if middle > low:
                file.readline(MAX_LINE_BYTES)  # what is left of the line before the middle, or its end alone
            if file.tell() >= high:
                high = middle
                continue
            line = decoded(decode, file.readline(MAX_LINE_BYTES), where)
            order = order_of(line.path)
            if order == wanted:
                return line
            low, high = (file.tell(), high) if order < wanted else (low, middle)
    return None


def decoded(decode: LineDecoder, line: bytes, where: str) -> Any:
    """A line of a list that is not read whole.

    :param where: the list, for people.
    :raises ManifestDamaged: if it cannot be read.
    """
    try:
        return decode(line)
    except LineRefused as error:
        raise ManifestDamaged(_damaged(where, f"a line {error}")) from error
    except UNDECODABLE as error:
        raise ManifestDamaged(_damaged(where, f"a line cannot be read: {error}")) from error


def _iter_lines(held: Held, name: str, where: str, digest: Any) -> Iterator[bytes]:
    file = _opened(held, name, where)

    def read() -> bytes:
        with storage_errors("reading", where):
            block = file.read(BLOCK_BYTES)
        digest.update(block)
        return block

    with file:
        yield from iter_lines(read, MAX_LINE_BYTES)


def _opened(held: Held, name: str, where: str) -> BufferedReader:
    try:
        return held.open(f"{MANIFEST_DIRECTORY}/{name}")
    except SnapshotDamaged as error:
        what = f"it cannot be opened: {getattr(error.__cause__, 'strerror', error)}"
        raise ManifestDamaged(_damaged(where, what)) from error.__cause__


def _damaged(where: str, what: str) -> str:
    return f"{where!r} is damaged: {what}; run the stage that made it with redo='all', or roll the target back"
