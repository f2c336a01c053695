"""The lists of a manifest: a line for each entry, for each input that gave nothing, for each that failed.

Lines are JSON, sorted bytewise by key, and written and read one at a time.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from airflow_dirops.core.beneath import HeldDirectory
from airflow_dirops.core.durable import write_all
from airflow_dirops.core.entries import MANIFEST_DIRECTORY, Input, order_of, path_problem
from airflow_dirops.core.errors import ManifestDamaged, storage_errors
from airflow_dirops.core.manifest import ListRecord, Manifest

FILES = "files.jsonl"
SKIPPED = "skipped.jsonl"
QUARANTINE = "quarantine.jsonl"
LISTS = (FILES, SKIPPED, QUARANTINE)


class FileLine(msgspec.Struct, frozen=True):
    """A line of ``files.jsonl``: an entry, and the inputs it was made from."""

    path: str
    size: int
    digest: str
    inputs: tuple[Input, ...]


class SkippedLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of ``skipped.jsonl``: an input that gave nothing, so that the next run knows it was seen."""

    path: str
    size: int
    mtime_ns: int | None = None
    digest: str | None = None


class QuarantineLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of ``quarantine.jsonl``: an input that failed, and why."""

    path: str
    size: int
    error: str
    message: str
    traceback: str
    tries: int = 1
    mtime_ns: int | None = None
    digest: str | None = None
    place: str = ""


LineT = TypeVar("LineT", bound=msgspec.Struct)
_LINE_TYPES: dict[str, type[msgspec.Struct]] = {
    FILES: FileLine,
    SKIPPED: SkippedLine,
    QUARANTINE: QuarantineLine,
}

_encode = msgspec.json.Encoder().encode


def encode_line(line: msgspec.Struct) -> bytes:
    """One line of JSON, without its newline; a path that is not UTF-8 becomes ``path_b64``."""
    try:
        return _encode(line)
    except UnicodeEncodeError:
        return _encode(_escape_paths(msgspec.to_builtins(line)))


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


class LineDecoder:
    """Lines of one type back into structures.

    :param line_type: such as :class:`FileLine`.
    """

    def __init__(self, line_type: type[LineT]) -> None:
        self._type = line_type
        self._decode = msgspec.json.Decoder(line_type).decode

    def __call__(self, line: bytes) -> Any:
        """
        :raises msgspec.MsgspecError: if this is no such line.
        """
        if b'"path_b64"' in line:
            return msgspec.convert(_unescape_paths(msgspec.json.decode(line)), self._type)
        return self._decode(line)


def write_list(directory: HeldDirectory, name: str, lines: Iterable[bytes]) -> ListRecord:
    """Write one of the lists beneath a snapshot's directory, and sync it.

    :param lines: encoded lines, in order.
    """
    digest, count, size, pending = hashlib.sha256(), 0, 0, bytearray()
    with storage_errors("writing", directory.path / MANIFEST_DIRECTORY / name):
        descriptor = directory.create_file(f"{MANIFEST_DIRECTORY}/{name}")
        try:
            for line in lines:
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


def iter_list(directory: HeldDirectory, manifest: Manifest, name: str) -> Iterator[Any]:
    """The lines of a list, decoded one at a time, checked against the header's digest at the end.

    :param name: one of :data:`LISTS`.
    :raises ManifestDamaged: if a line cannot be read, or the list is not the one the header describes.
    """
    where = directory.path / MANIFEST_DIRECTORY / name
    decode, digest, count, before = LineDecoder(_LINE_TYPES[name]), hashlib.sha256(), 0, b""
    for line in _iter_lines(directory, name, where, digest):
        count += 1
        try:
            decoded = decode(line)
        except (msgspec.MsgspecError, ValueError, UnicodeError) as error:
            raise ManifestDamaged(_damaged(where, f"line {count} cannot be read: {error}")) from error
        if problem := path_problem(decoded.path):
            raise ManifestDamaged(_damaged(where, f"line {count} names {decoded.path!r}: {problem}"))
        order = order_of(decoded.path)
        if order <= before:
            raise ManifestDamaged(_damaged(where, f"line {count} is out of order: {decoded.path!r}"))
        before = order
        yield decoded
    record = manifest.lists.get(name)
    if record is None or (count, digest.hexdigest()) != (record.lines, record.digest):
        raise ManifestDamaged(_damaged(where, "it is not the list that its manifest.json describes"))


def _iter_lines(directory: HeldDirectory, name: str, where: Path, digest: Any) -> Iterator[bytes]:
    try:
        descriptor = directory.open_file(f"{MANIFEST_DIRECTORY}/{name}")
    except OSError as error:
        raise ManifestDamaged(_damaged(where, f"it cannot be opened: {os.strerror(error.errno or 0)}")) from error
    with open(descriptor, "rb", buffering=1 << 16) as file, storage_errors("reading", where):
        while lines := file.readlines(1 << 16):
            digest.update(b"".join(lines))
            yield from lines


def _damaged(where: Path, what: str) -> str:
    return f"{str(where)!r} is damaged: {what}; run the stage that made it with full=True, or roll the target back"


def _write_out(descriptor: int, pending: bytearray, digest: Any) -> int:
    digest.update(pending)
    write_all(descriptor, bytes(pending))
    written = len(pending)
    pending.clear()
    return written


def _escape_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(_escape_member(name, member) for name, member in value.items())
    if isinstance(value, list | tuple):
        return [_escape_paths(member) for member in value]
    if isinstance(value, str):
        # Messages quote names; what is not UTF-8 there is shown, not kept.
        return value.encode(errors="backslashreplace").decode()
    return value


def _escape_member(name: str, member: Any) -> tuple[str, Any]:
    if name == "path" and not _is_utf8(member):
        return "path_b64", base64.b64encode(os.fsencode(member)).decode()
    return name, _escape_paths(member)


def _unescape_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(
            ("path", os.fsdecode(base64.b64decode(member))) if name == "path_b64" else (name, _unescape_paths(member))
            for name, member in value.items()
        )
    if isinstance(value, list):
        return [_unescape_paths(member) for member in value]
    return value


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
