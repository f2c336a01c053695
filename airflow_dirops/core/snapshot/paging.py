"""Read a part of a snapshot's list: one page of it, or one line, in memory for no more than that.

Whoever reads a whole list checks its digest, as :mod:`airflow_dirops.core.snapshot.contents` does; a page is checked
line by line only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Any

import msgspec

from airflow_dirops.core.errors import ArgumentRefused, ManifestDamaged
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY
from airflow_dirops.core.format.lines import BLOCK_BYTES, LineCutOff, LineDecoder, LineTooLong, iter_lines
from airflow_dirops.core.format.lists import LINE_TYPES, MAX_LINE_BYTES
from airflow_dirops.core.format.manifest import ListName
from airflow_dirops.core.place.held import name_in
from airflow_dirops.core.snapshot import contents
from airflow_dirops.core.snapshot.reader import Snapshot

_LONGEST_SEARCH_SECONDS = 2.0
_LOOK_AT_THE_CLOCK_EVERY = 4_096


@dataclass
class ListPage:
    """Some lines of a list, in its order.

    :param at: where the page begins, in bytes of the list.
    :param size: of the list, in bytes.
    :param next: where the next page begins; None where nothing follows.
    """

    at: int
    size: int
    lines: list[Any] = field(default_factory=list)
    next: int | None = None


def read_page(
    snapshot: Snapshot,
    name: ListName,
    *,
    at: int = 0,
    limit: int = 100,
    containing: str = "",
    seconds: float = _LONGEST_SEARCH_SECONDS,
) -> ListPage:
    """Some lines of a list.

    :param name: one of ``files.jsonl``, ``skipped.jsonl`` and ``quarantine.jsonl``.
    :param at: where to begin: 0, or what the page before calls ``next``.
    :param limit: how many lines at most.
    :param containing: only those whose path, or the path of an input, has this in it, in any case of ASCII letters.
    :param seconds: how long to look for them; what was found until then is the page, and ``next`` is where to go on.
    :raises ArgumentRefused: if no line begins there.
    :raises ManifestDamaged: if a line cannot be read.
    """
    where = name_in(snapshot.held, f"{MANIFEST_DIRECTORY}/{name}")
    wanted = _Wanted(containing)
    decode = LineDecoder(LINE_TYPES[name])
    with snapshot.held.open(f"{MANIFEST_DIRECTORY}/{name}") as file:
        page = ListPage(at, os.fstat(file.fileno()).st_size)
        _go_to(file, at, page.size)
        deadline = time.monotonic() + seconds
        for number, (start, line) in enumerate(_lines_from(file, at, where)):
            is_late = containing and number % _LOOK_AT_THE_CLOCK_EVERY == 0 and time.monotonic() > deadline
            if len(page.lines) == limit or (is_late and number):
                page.next = start
                break
            if wanted.may_be_in(line) and wanted.is_in(decoded := contents.decoded(decode, line, where)):
                page.lines.append(decoded)
    return page


def find_line(snapshot: Snapshot, name: ListName, path: str) -> Any:
    """The line of a list that is about a path; None if there is none. It takes as long as a few lines, in any list.

    :param name: one of ``files.jsonl``, ``skipped.jsonl`` and ``quarantine.jsonl``.
    :param path: of the entry or of the input, whole.
    :raises ManifestDamaged: if a line on the way cannot be read.
    """
    return contents.find_line(snapshot.held, name, path)


class _Wanted:
    """What a line must have in it."""

    def __init__(self, text: str) -> None:
        self._text = text.lower()
        try:
            self._bytes = msgspec.json.encode(self._text)[1:-1]
        except UnicodeEncodeError:
            self._bytes = b""  # a name that is not UTF-8 stands in Base64: decode them all

    def may_be_in(self, line: bytes) -> bool:
        # Before it is decoded: of a million lines few have it.
        return not self._bytes or self._bytes in line.lower() or b'"path_b64"' in line

    def is_in(self, decoded: Any) -> bool:
        names = (decoded.path, *(item.path for item in getattr(decoded, "inputs", ())))
        return not self._text or any(self._text in name.lower() for name in names)


def _lines_from(file: BufferedReader, at: int, where: str) -> Iterator[tuple[int, bytes]]:
    """The lines with where each begins."""
    try:
        for line in iter_lines(lambda: file.read(BLOCK_BYTES), MAX_LINE_BYTES):
            yield at, line
            at += len(line) + 1
    except (LineTooLong, LineCutOff) as error:
        raise ManifestDamaged(f"{where!r} is damaged: a line cannot be read: {error}") from error


def _go_to(file: BufferedReader, at: int, size: int) -> None:
    if at:
        if not 0 < at < size:
            raise ArgumentRefused(f"at={at} is not in this list, which has {size} bytes; begin at 0")
        file.seek(at - 1)
        if file.read(1) != b"\n":
            raise ArgumentRefused(f"at={at} is not where a line begins; begin at 0")
