"""The journal: a line for each input that is through, in the order in which they got there.

It lies in the staging area and is the truth about it: what a later attempt may reuse, and what the seal lists.
A line is appended once all its outputs are durable; one write may append those of several inputs. The journal itself is
not synced: after a reboot every line is checked against the bytes.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from airflow_dirops.core.disk.durable import write_all
from airflow_dirops.core.disk.held import is_damage, open_regular
from airflow_dirops.core.disk.permissions import share_file
from airflow_dirops.core.errors import ArgumentRefused, StagingChanged, StorageError, storage_errors
from airflow_dirops.core.format.journal import JournalLine
from airflow_dirops.core.format.lines import BLOCK_BYTES, LineCutOff, LineDecoder, LineTooLong, encode_line, iter_lines
from airflow_dirops.core.format.members import UNDECODABLE

# One line names everything that one input gave: some 400,000 entries fit.
_MAX_LINE_BYTES = 64 << 20


class Journal:
    """An attempt's journal, open for appending. What was appended is read back by the descriptor that wrote it.

    Several threads append to it.
    """

    NAME = "journal.jsonl"

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._lines = self._bytes = self._checksum = 0

    @classmethod
    def create(cls, directory: Path) -> Journal:
        path = directory / cls.NAME
        with storage_errors("making the journal", path):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            journal = cls(path, os.open(path, flags, 0o666))
            share_file(journal._descriptor, directory)
            return journal

    def append(self, *lines: JournalLine) -> None:
        """Add lines at the end.

        :raises ArgumentRefused: if one input gave more than a line can hold.
        """
        encoded = [encode_line(line) for line in lines]
        for line, text in zip(lines, encoded, strict=True):
            if len(text) > _MAX_LINE_BYTES:
                raise ArgumentRefused(
                    f"the input {line.input.path!r} gave {len(line.outputs)} entries, whose names take {len(text)} "
                    f"bytes, more than {_MAX_LINE_BYTES}; split that input, or give its entries shorter keys"
                )
        content = b"\n".join([*encoded, b""])
        with self._lock, storage_errors("writing the journal", self._path):
            write_all(self._descriptor, content)
            self._lines += len(lines)
            self._bytes += len(content)
            self._checksum = zlib.crc32(content, self._checksum)

    def close(self) -> None:
        os.close(self._descriptor)

    def __iter__(self) -> Iterator[JournalLine]:
        """Every line that was appended.

        :raises StagingChanged: here or at the end, if the file is gone or holds anything else.
        """
        self._check_name()
        decode = LineDecoder(JournalLine)
        count = offset = checksum = 0

        def read() -> bytes:
            nonlocal offset, checksum
            with storage_errors("reading the journal", self._path):
                block = os.pread(self._descriptor, BLOCK_BYTES, offset)
            offset += len(block)
            checksum = zlib.crc32(block, checksum)
            return block

        try:
            for line in iter_lines(read, _MAX_LINE_BYTES):
                count += 1
                yield decode(line)
        except UNDECODABLE as error:
            raise StagingChanged(self._path, f"line {count} cannot be read: {error}") from error
        if (count, offset, checksum) != (self._lines, self._bytes, self._checksum):
            what = f"{self._lines} lines were written, and what is there is not what was written"
            raise StagingChanged(self._path, what)

    def _check_name(self) -> None:
        with storage_errors("looking at the journal", self._path):
            mine = os.fstat(self._descriptor)
        try:
            found = os.stat(self._path, follow_symlinks=False)
        except OSError as error:
            if is_damage(error):
                raise StagingChanged(self._path, "it was removed") from error
            raise StorageError("looking at the journal", self._path, error) from error
        if not os.path.samestat(mine, found):
            raise StagingChanged(self._path, "another file has its name")


def read_journal(directory: Path) -> Iterator[JournalLine]:
    """The lines of a dead attempt's journal that can be read; the last one may have been cut off by a crash."""
    decode = LineDecoder(JournalLine)
    path = directory / Journal.NAME
    try:
        descriptor = open_regular(path)
    except OSError as error:
        if is_damage(error):
            return
        raise StorageError("opening the journal", path, error) from error

    def read() -> bytes:
        with storage_errors("reading the journal", path):
            return os.read(descriptor, BLOCK_BYTES)

    try:
        with suppress(LineTooLong, LineCutOff):
            for line in iter_lines(read, _MAX_LINE_BYTES):
                with suppress(*UNDECODABLE):
                    yield decode(line)
    finally:
        os.close(descriptor)
