"""Write a snapshot's header and its lists beneath its directory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import Any

from airflow_dirops.core.disk.durable import write_all
from airflow_dirops.core.disk.held import HeldDirectory
from airflow_dirops.core.errors import ArgumentRefused, storage_errors
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY
from airflow_dirops.core.format.lists import MAX_LINE_BYTES
from airflow_dirops.core.format.manifest import HEADER, ListName, ListRecord, Manifest, encode_header


def write_list(directory: HeldDirectory, name: ListName, lines: Iterable[bytes]) -> ListRecord:
    """Write one of the lists beneath a snapshot's directory, and sync it.

    :param lines: encoded lines, in order.
    :raises ArgumentRefused: if one is longer than readers take.
    """
    with storage_errors("writing", directory.path / MANIFEST_DIRECTORY / name):
        return write_lines(directory.create_file(f"{MANIFEST_DIRECTORY}/{name}"), name, lines)


def write_lines(descriptor: int, name: str, lines: Iterable[bytes]) -> ListRecord:
    """Write a list to a file that is open, sync and close it.

    :param name: of the list, for messages.
    :raises ArgumentRefused: if a line is longer than readers take.
    """
    digest, count, size, pending = hashlib.sha256(), 0, 0, bytearray()
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


def _write_out(descriptor: int, pending: bytearray, digest: Any) -> int:
    digest.update(pending)
    write_all(descriptor, bytes(pending))
    written = len(pending)
    pending.clear()
    return written


def write_header(directory: HeldDirectory, manifest: Manifest) -> None:
    """Write ``manifest.json`` beneath a snapshot's directory, and sync it.

    :raises ArgumentRefused: if no reader would take it: a member is too large, for one. Nothing is written then.
    """
    content = encode_header(manifest)
    with storage_errors("writing", directory.path / HEADER):
        descriptor = directory.create_file(HEADER)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
