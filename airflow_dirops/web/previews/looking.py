"""From a file to what can be shown of it; this runs in the process of :mod:`airflow_dirops.web.previews.child`."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from typing import IO, Any

from airflow_dirops.web.previews.arrays import look_at_array, look_at_npy, look_at_npz
from airflow_dirops.web.previews.pictures import look_at_picture
from airflow_dirops.web.previews.shapes import (
    MOST_COLUMNS,
    MOST_ROWS,
    Nothing,
    Preview,
    Table,
    Text,
)

MAX_TEXT_BYTES = 1 << 20
MAX_TEXT = 6_000
_MAX_CELL = 60


def look(file: IO[bytes], kind: str, side: int) -> Preview:
    """What can be shown of a file.

    :param kind: as :func:`~airflow_dirops.web.previews.kinds.kind_of` says.
    :param side: how large a picture may be, in pixels.
    """
    looks: dict[str, Callable[[], Preview]] = {
        "picture": lambda: look_at_picture(file, side),
        "npy": lambda: look_at_npy(file, side),
        "npz": lambda: look_at_npz(file, side),
        "json": lambda: _look_at_json(file, side),
        "text": lambda: _look_at_text(file),
        "csv": lambda: _look_at_rows(file, ","),
        "tsv": lambda: _look_at_rows(file, "\t"),
        "pickle": lambda: Nothing(note="a pickle: decoding it would run code that it names, so it is not decoded"),
    }
    return looks.get(kind, lambda: _look_at_bytes(file))()


def _look_at_text(file: IO[bytes]) -> Preview:
    content = file.read(MAX_TEXT_BYTES)
    text = content.decode(errors="replace")
    return Text(text=text[:MAX_TEXT], note=f"{_size(file):,} bytes of text")


def _look_at_json(file: IO[bytes], side: int) -> Preview:
    if (size := _size(file)) > MAX_TEXT_BYTES:
        text = file.read(MAX_TEXT).decode(errors="replace")
        return Text(text=text, note=f"{size:,} bytes of JSON, of which this is the beginning")
    value = json.loads(file.read(MAX_TEXT_BYTES))
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return _table(list(dict.fromkeys(name for row in value[:MOST_ROWS] for name in row)), value)
    if _is_numbers(value):
        return look_at_array(_array(value), side, f"{len(value):,} numbers")
    if isinstance(value, dict) and value and all(_is_numbers(each) for each in value.values()):
        return look_at_array({name: _array(each) for name, each in value.items()}, side, f"{len(value):,} lists")
    return Text(text=json.dumps(value, indent=2, ensure_ascii=False)[:MAX_TEXT], note=f"{size:,} bytes of JSON")


def _look_at_rows(file: IO[bytes], delimiter: str) -> Preview:
    text = io.StringIO(file.read(MAX_TEXT_BYTES).decode(errors="replace"))
    rows = [row for row, _ in zip(csv.reader(text, delimiter=delimiter), range(MOST_ROWS + 1), strict=False)]
    if not rows:
        return Nothing(note="it is empty")
    columns, *rest = [tuple(_cell(each) for each in row[:MOST_COLUMNS]) for row in rows]
    more = f", of which {MOST_COLUMNS} are shown" if len(rows[0]) > MOST_COLUMNS else ""
    return Table(columns=columns, rows=tuple(rest), note=f"{len(rows[0]):,} columns{more}; the first rows")


def _look_at_bytes(file: IO[bytes]) -> Preview:
    content = file.read(256)
    lines = (content[at : at + 16] for at in range(0, len(content), 16))
    text = "\n".join(f"{line.hex(' '):<48} {''.join(chr(c) if 32 <= c < 127 else '.' for c in line)}" for line in lines)
    return Text(text=text, note=f"{_size(file):,} bytes; the first {len(content)}")


def _table(names: list[str], records: list[dict[str, Any]]) -> Table:
    names = names[:MOST_COLUMNS]
    rows = tuple(tuple(_cell(record.get(name, "")) for name in names) for record in records[:MOST_ROWS])
    return Table(columns=tuple(map(_cell, names)), rows=rows, note=f"{len(records):,} records")


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _MAX_CELL else f"{text[: _MAX_CELL - 1]}…"


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(type(each) in (int, float) for each in value)


def _array(values: list[float]) -> Any:
    import numpy as np

    return np.array(values, dtype=np.float64)


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size
