"""The journal: a line for each input that is through, in the order in which they got there.

It lies in the staging area and is the truth about it: what a later attempt may reuse, and what the seal lists.
A line is appended once all its outputs are durable; one write may append those of several inputs. The journal itself is
not synced: after a reboot every line is checked against the bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from airflow_dirops.core.durable import write_all
from airflow_dirops.core.entries import Input
from airflow_dirops.core.errors import storage_errors
from airflow_dirops.core.lists import LineDecoder, encode_line

State = Literal["made", "carried", "skipped", "quarantined"]


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an input failed; all its texts are printable and bounded.

    :param place: where in the user's own code, if it was there.
    """

    error: str
    message: str
    traceback: str
    tries: int = 1
    place: str = ""


class Output(msgspec.Struct, frozen=True):
    """A finished file, and what tells that it is still the one that was finished."""

    path: str
    size: int
    digest: str
    inode: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str, status: os.stat_result, digest: str) -> Output:
        return cls(path, status.st_size, digest, status.st_ino, status.st_mtime_ns)

    def is_still(self, status: os.stat_result) -> bool:
        seen = (status.st_size, status.st_ino, status.st_mtime_ns)
        return seen == (self.size, self.inode, self.mtime_ns)


class JournalLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one input."""

    input: Input
    state: State = "made"
    outputs: tuple[Output, ...] = ()
    failure: Failure | None = None


class Journal:
    """An attempt's journal, open for appending."""

    NAME = "journal.jsonl"

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, directory: Path) -> Journal:
        path = directory / cls.NAME
        with storage_errors("making the journal", path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            return cls(path, os.open(path, flags, 0o644))

    def append(self, *lines: JournalLine) -> None:
        with storage_errors("writing the journal", self._path):
            write_all(self._descriptor, b"".join(encode_line(line) + b"\n" for line in lines))

    def close(self) -> None:
        os.close(self._descriptor)

    def __iter__(self) -> Iterator[JournalLine]:
        return read_journal(self._path.parent)


def read_journal(directory: Path) -> Iterator[JournalLine]:
    """The lines of a journal; the last one may have been cut off by a crash, and is left out then."""
    decode = LineDecoder(JournalLine)
    path = directory / Journal.NAME
    if not path.exists():
        return
    with storage_errors("reading the journal", path), open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            with suppress(msgspec.MsgspecError, ValueError):
                yield decode(line)
