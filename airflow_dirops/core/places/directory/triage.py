"""What people have decided about inputs that failed, and the files that they gave instead of results."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from airflow_dirops.core.disk.documents import put_aside, replace_document
from airflow_dirops.core.disk.durable import sync_directory
from airflow_dirops.core.disk.held import is_absence, is_damage, open_regular, read_small_file
from airflow_dirops.core.disk.permissions import make_shared_directory, share_file
from airflow_dirops.core.errors import ManifestDamaged, SnapshotDamaged, StorageError, storage_errors
from airflow_dirops.core.format.lines import LineDecoder, encode_line
from airflow_dirops.core.format.members import UNDECODABLE
from airflow_dirops.core.format.triage import Decision
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory.control import TRIAGE, ControlDirectory

_MAX_BYTES = 16 << 20
_BLOCK_BYTES = 1 << 20

log = logger(__name__)
_decode = LineDecoder(Decision)


def read_triage(control: ControlDirectory) -> list[Decision]:
    """All decisions; none where the document cannot be read: whoever writes the next one puts it aside."""
    try:
        return _read(control.path / TRIAGE)
    except ManifestDamaged as error:
        log.warning("%s; what was decided about failed inputs is not known, and they are tried again", error)
        return []


def amend_triage(
    control: ControlDirectory, amend: Callable[[Sequence[Decision]], Iterable[Decision]]
) -> list[Decision]:
    """Replace the decisions, durably, under the target's lock."""
    control.create()
    path = control.path / TRIAGE
    with control.locked("triage"):
        try:
            before = _read(path)
        except ManifestDamaged:
            put_aside(path)
            before = []
        decisions = [*amend(before)]
        if decisions != before:
            replace_document(path, b"".join(encode_line(each) + b"\n" for each in decisions))
            sync_directory(control.path)
            # What nobody has named yet, somebody is about to.
            _drop(control, _named(before) - _named(decisions))
    return decisions


def keep_replacement(control: ControlDirectory, file: BinaryIO) -> str:
    """Copy a file to where the next runs find it, durably; returns its digest."""
    control.create()
    folder = _folder(control)
    with storage_errors("keeping the replacement in", folder):
        make_shared_directory(folder)
        fresh = folder / f"{os.urandom(8).hex()}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            digest = hashlib.sha256()
            with open(descriptor, "wb") as copy:
                share_file(descriptor, folder)
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
                    copy.write(block)
                copy.flush()
                os.fsync(descriptor)
            fresh.rename(folder / digest.hexdigest())
            sync_directory(folder)
        except BaseException:
            with suppress(OSError):
                fresh.unlink()
            raise
    return digest.hexdigest()


def open_replacement(control: ControlDirectory, digest: str) -> BufferedReader:
    """Open a file that somebody gave.

    :raises SnapshotDamaged: if it is gone.
    """
    path = _folder(control) / digest
    try:
        return open(open_regular(path), "rb")
    except OSError as error:
        if is_damage(error):
            raise SnapshotDamaged(f"the replacement {str(path)!r} is gone: {error.strerror}; give it again") from error
        raise StorageError("opening the replacement", path, error) from error


def _folder(control: ControlDirectory) -> Path:
    return control.path / "replacements"


def _read(path: Path) -> list[Decision]:
    try:
        content = read_small_file(path, _MAX_BYTES)
    except OSError as error:
        if is_absence(error):
            return []
        if is_damage(error):
            raise ManifestDamaged(f"{str(path)!r} cannot be read: {error.strerror}") from error
        raise StorageError("reading", path, error) from error
    try:
        return [_decode(line) for line in content.splitlines()]
    except UNDECODABLE as error:
        raise ManifestDamaged(f"{str(path)!r} cannot be read: {error}") from error


def _named(decisions: Iterable[Decision]) -> set[str]:
    return {each.replacement for each in decisions if each.replacement is not None}


def _drop(control: ControlDirectory, digests: Iterable[str]) -> None:
    for digest in digests:
        with suppress(OSError):
            (_folder(control) / digest).unlink()
