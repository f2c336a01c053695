"""The lists of a manifest: a line for each entry, for each input that gave nothing, for each that failed.

Lines are JSON, sorted bytewise by key, and written and read one at a time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from airflow_dirops.core.beneath import HeldDirectory, is_damage
from airflow_dirops.core.durable import write_all
from airflow_dirops.core.entries import MANIFEST_DIRECTORY, Input, order_of
from airflow_dirops.core.errors import ArgumentRefused, ManifestDamaged, StorageError, storage_errors
from airflow_dirops.core.lines import (
    BLOCK_BYTES,
    LineCutOff,
    LineDecoder,
    LineRefused,
    LineTooLong,
    encode_line,
    iter_lines,
)
from airflow_dirops.core.manifest import ListName, ListRecord, Manifest
from airflow_dirops.core.members import UNDECODABLE, Count, Digest, InputDigest, Number

FILES: ListName = "files.jsonl"
SKIPPED: ListName = "skipped.jsonl"
QUARANTINE: ListName = "quarantine.jsonl"
LISTS: tuple[ListName, ...] = (FILES, SKIPPED, QUARANTINE)

# An entry of 100,000 joined inputs has a line of that length; ordinary ones have 200 bytes.
MAX_LINE_BYTES = 16 << 20


class FileLine(msgspec.Struct, frozen=True):
    """A line of ``files.jsonl``: an entry, and the inputs it was made from."""

    path: str
    size: Count
    digest: Digest
    inputs: tuple[Input, ...]


class SkippedLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of ``skipped.jsonl``: an input that gave nothing, so that the next run knows it was seen.

    With a ``reason`` it was not even read: an inner join left it out.
    """

    path: str
    size: Count
    mtime_ns: Number | None = None
    digest: InputDigest | None = None
    beside: Digest | None = None
    reason: str = ""


class QuarantineLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of ``quarantine.jsonl``: an input that failed, and why."""

    path: str
    size: Count
    error: str
    message: str
    traceback: str
    tries: Count = 1
    mtime_ns: Number | None = None
    digest: InputDigest | None = None
    place: str = ""
    beside: Digest | None = None


_LINE_TYPES: dict[str, type[msgspec.Struct]] = {
    FILES: FileLine,
    SKIPPED: SkippedLine,
    QUARANTINE: QuarantineLine,
}


@dataclass(frozen=True)
class InputsSeen:
    """All inputs of an aggregate as one: how many there are, and a digest over their names and what they hold."""

    count: int
    digest: str

    @classmethod
    def of(cls, inputs: Iterable[Input]) -> InputsSeen:
        digest, count = hashlib.sha256(), 0
        for item in inputs:
            digest.update(encode_line(item) + b"\n")
            count += 1
        return cls(count, digest.hexdigest())


def write_list(directory: HeldDirectory, name: ListName, lines: Iterable[bytes]) -> ListRecord:
    """Write one of the lists beneath a snapshot's directory, and sync it.

    :param lines: encoded lines, in order.
    :raises ArgumentRefused: if one is longer than readers take.
    """
    digest, count, size, pending = hashlib.sha256(), 0, 0, bytearray()
    with storage_errors("writing", directory.path / MANIFEST_DIRECTORY / name):
        descriptor = directory.create_file(f"{MANIFEST_DIRECTORY}/{name}")
        try:
            for line in lines:
                if len(line) > MAX_LINE_BYTES:
                    raise ArgumentRefused(
                        f"line {count + 1} of {name} would have {len(line)} bytes, and readers take {MAX_LINE_BYTES}; "
                        f"it begins with {line[:200]!r}"
                    )
                pending += line
                pending += b"\n"
                count += 1
                if len(pending) >= 1 << 18:
                    size += _write_out(descriptor, pending, digest)
            size += _write_out(descriptor, pending, digest)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return ListRecord(lines=count, bytes=size, digest=digest.hexdigest())


def iter_list(directory: HeldDirectory, manifest: Manifest, name: ListName) -> Iterator[Any]:
    """The lines of a list, decoded one at a time, checked against the header's digest at the end.

    :param name: one of :data:`LISTS`.
    :raises ManifestDamaged: if a line cannot be read, or the list is not the one the header describes.
    :raises StorageError: if the list cannot be read, and may be whole.
    """
    where = directory.path / MANIFEST_DIRECTORY / name
    decode, digest, count, before = LineDecoder(_LINE_TYPES[name]), hashlib.sha256(), 0, b""
    try:
        for line in _iter_lines(directory, name, where, digest):
            count += 1
            decoded = decode(line)
            order = order_of(decoded.path)
            if order <= before:
                raise ManifestDamaged(_damaged(where, f"line {count} is out of order: {decoded.path!r}"))
            before = order
            yield decoded
    except (LineTooLong, LineCutOff) as error:
        raise ManifestDamaged(_damaged(where, f"line {count + 1} cannot be read: {error}")) from error
    except LineRefused as error:
        raise ManifestDamaged(_damaged(where, f"line {count} {error}")) from error
    except UNDECODABLE as error:
        raise ManifestDamaged(_damaged(where, f"line {count} cannot be read: {error}")) from error
    record = manifest.lists.get(name)
    if record is None or (count, digest.hexdigest()) != (record.lines, record.digest):
        raise ManifestDamaged(_damaged(where, "it is not the list that its manifest.json describes"))


def _iter_lines(directory: HeldDirectory, name: str, where: Path, digest: Any) -> Iterator[bytes]:
    try:
        descriptor = directory.open_file(f"{MANIFEST_DIRECTORY}/{name}")
    except OSError as error:
        if is_damage(error):
            raise ManifestDamaged(_damaged(where, f"it cannot be opened: {error.strerror}")) from error
        raise StorageError("opening", where, error) from error

    def read() -> bytes:
        with storage_errors("reading", where):
            block = os.read(descriptor, BLOCK_BYTES)
        digest.update(block)
        return block

    try:
        yield from iter_lines(read, MAX_LINE_BYTES)
    finally:
        os.close(descriptor)


def _damaged(where: Path, what: str) -> str:
    return f"{str(where)!r} is damaged: {what}; run the stage that made it with redo='all', or roll the target back"


def _write_out(descriptor: int, pending: bytearray, digest: Any) -> int:
    digest.update(pending)
    write_all(descriptor, bytes(pending))
    written = len(pending)
    pending.clear()
    return written
