"""The small documents of a control directory: one JSON value in a file that is replaced whole.

What cannot be read there blocks nobody: it is put aside under another name, and its owner goes on without it.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from airflow_dirops.core.disk.durable import write_file
from airflow_dirops.core.disk.held import is_absence, is_damage, read_small_file
from airflow_dirops.core.errors import ArgumentRefused, ManifestDamaged, StorageError, storage_errors
from airflow_dirops.core.format.members import UNDECODABLE
from airflow_dirops.core.messages.shown import logger

T = TypeVar("T")

# 256 lines of a fence have some 100 kB.
_MAX_BYTES = 16 << 20
_FRESH = ".new"

log = logger(__name__)


def read_document(path: Path, kind: type[T]) -> T | None:
    """What a document holds, or None where there is none.

    :raises ManifestDamaged: if something else has its name, or it holds anything else.
    :raises StorageError: if it cannot be read, and may be whole.
    """
    try:
        content = read_small_file(path, _MAX_BYTES)
    except OSError as error:
        if is_absence(error):
            return None
        if is_damage(error):
            raise ManifestDamaged(f"{str(path)!r} cannot be read: {error.strerror}") from error
        raise StorageError("reading", path, error) from error
    try:
        return msgspec.json.decode(content, type=kind)
    except UNDECODABLE as error:
        raise ManifestDamaged(f"{str(path)!r} cannot be read: {error}") from error


def replace_document(path: Path, content: bytes) -> None:
    """Replace a document: whoever opens it reads the old content or the new, and power loss keeps one of them.

    Each writer has a file of its own until then, so that two of them, where locks do not work, do not mix.

    :raises ArgumentRefused: if it is longer than readers take.
    """
    if len(content) > _MAX_BYTES:
        raise ArgumentRefused(
            f"{str(path)!r} would have {len(content)} bytes, and readers take {_MAX_BYTES}; "
            "give the run and the stage shorter names"
        )
    with storage_errors("replacing", path):
        try:
            _replace(path, content)
        except FileNotFoundError:
            # Where locks do not work, somebody else may have taken it for a leftover.
            _replace(path, content)


def _replace(path: Path, content: bytes) -> None:
    """Write a document whole, over the one that is there.

    :raises FileNotFoundError: if the new file was gone before it had the document's name.
    """
    fresh = path.with_name(f"{path.name}.{os.urandom(8).hex()}{_FRESH}")
    try:
        write_file(fresh, content)
        os.replace(fresh, path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise


def put_aside(path: Path) -> None:
    """Keep what cannot be read under another name, for whoever wants to look into it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    place, number = path.with_name(f"{path.name}.unreadable-{stamp}"), 1
    while os.path.lexists(place):
        number += 1
        place = path.with_name(f"{path.name}.unreadable-{stamp}-{number}")
    with storage_errors("putting aside", path):
        os.rename(path, place)
    log.warning("%s cannot be read and is kept as %s", path, place.name)


def remove_leftovers(directory: Path, names: frozenset[str]) -> None:
    """Remove what writers that died left of a replacement. Under the lock that all writers take.

    :param names: of the documents that they replaced.
    """
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            is_of_ours = any(entry.name.startswith(f"{name}.") for name in names)
            if is_of_ours and entry.name.endswith(_FRESH) and entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)
