"""The manifest: what one snapshot contains, and where each entry came from. ``docs/format.md`` is the promise.

A header and three lists (:mod:`airflow_dirops.core.lists`) lie in ``_dirops/`` inside the snapshot. The header
is small, holds the digests of the lists, and is all that a sensor needs to read.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import msgspec

from airflow_dirops.core.beneath import HeldDirectory
from airflow_dirops.core.durable import write_all
from airflow_dirops.core.entries import MANIFEST_DIRECTORY
from airflow_dirops.core.errors import ManifestDamaged, ManifestMissing, ManifestTooNew, StorageError, storage_errors

FORMAT_NAME = "dirops"
FORMAT_VERSION = 1
FORMAT = f"{FORMAT_NAME}/{FORMAT_VERSION}"

HEADER = f"{MANIFEST_DIRECTORY}/manifest.json"

# A header is a few hundred bytes; what is far larger was not written by us.
_MAX_HEADER_BYTES = 1 << 20
_REMEDY = "roll that target back with 'dirops rollback', or run its stage with replace_unmanaged=True"
_NO_FILE = (errno.ENOTDIR, errno.ELOOP, errno.EISDIR)


class ManifestModel(msgspec.Struct, frozen=True, kw_only=True):
    """Unknown members are ignored, so that later minor additions stay readable."""


class AttemptRecord(ManifestModel, frozen=True):
    """Who committed: the attempt, and the logical run it belongs to."""

    id: str
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 1
    ti_id: str = ""
    order: str = ""


class SourceRecord(ManifestModel, frozen=True):
    """Where the inputs came from: relative to the directory that holds the target."""

    location: str
    snapshot: str | None = None
    stage: str | None = None


class FunctionRecord(ManifestModel, frozen=True):
    name: str
    fingerprint: str | None = None


class CodecRecord(ManifestModel, frozen=True):
    name: str
    suffix: str


class ListRecord(ManifestModel, frozen=True):
    """One of the lists: how many lines, how many bytes, and their sha256."""

    lines: int
    bytes: int
    digest: str


class Counts(ManifestModel, frozen=True):
    """How many files: matched in the source, made, gave nothing, failed, and passed over by the listing."""

    inputs: int
    entries: int
    skipped: int
    quarantined: int
    ignored: int


class Manifest(ManifestModel, frozen=True, omit_defaults=True):
    """The header of a snapshot.

    ``bytes`` counts the entries only; ``created`` is UTC in ISO 8601; ``seconds`` is the attempt's wall time.
    ``join`` and ``sources`` are there where several sources were matched by key; ``source`` is the first of them.
    ``inputs_digest`` is there where entries were made of all inputs together.
    ``one_to_one`` says that each entry has the key of its only input, so that ``files.jsonl`` is in the order of both.
    ``limit`` is there only where a trial run took no more than the first so many inputs.
    """

    format: str
    snapshot: str
    base: str | None
    stage: str
    partition: str | None
    created: str
    attempt: AttemptRecord
    source: SourceRecord
    function: FunctionRecord
    codec: CodecRecord
    durability: str
    digest: str
    counts: Counts
    bytes: int
    lists: dict[str, ListRecord]
    seconds: float
    writer: dict[str, str]
    join: str | None = None
    sources: tuple[SourceRecord, ...] = ()
    inputs_digest: str | None = None
    one_to_one: bool = False
    limit: int | None = None

    def summary(self) -> dict[str, Any]:
        """What fits into an XCom or an asset event."""
        return {
            "snapshot": self.snapshot,
            "stage": self.stage,
            "partition": self.partition,
            "created": self.created,
            "counts": msgspec.to_builtins(self.counts),
            "bytes": self.bytes,
            **({} if self.limit is None else {"limit": self.limit}),
        }


def write_header(directory: HeldDirectory, manifest: Manifest) -> None:
    """Write ``manifest.json`` beneath a snapshot's directory, and sync it."""
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    with storage_errors("writing", directory.path / HEADER):
        descriptor = directory.create_file(HEADER)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_manifest(target: str | os.PathLike[str]) -> Manifest:
    """Read the header of a target's current snapshot, and nothing else.

    :raises ManifestMissing: if there is no such directory, or it has no manifest.
    :raises ManifestDamaged: if the header is not a manifest.
    :raises ManifestTooNew: if a newer version of this package wrote it.
    """
    with hold_snapshot(Path(target)) as directory:
        return read_header(directory)


def hold_snapshot(path: Path) -> HeldDirectory:
    """Hold a directory that shall be a snapshot.

    :raises ManifestMissing: if there is no such directory.
    :raises StorageError: if it may not be opened.
    """
    try:
        with storage_errors("opening", path):
            return HeldDirectory.open(path)
    except StorageError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise ManifestMissing(f"there is no snapshot at {str(path)!r}: no such directory") from error
        raise


def read_header(directory: HeldDirectory) -> Manifest:
    """As :func:`read_manifest`, of a directory that is held open."""
    where = directory.path / HEADER
    try:
        with storage_errors("reading", where), directory.reading(HEADER) as descriptor:
            content = os.read(descriptor, _MAX_HEADER_BYTES)
    except StorageError as error:
        if error.errno == errno.ENOENT:
            raise ManifestMissing(
                f"{str(directory.path)!r} has no manifest ({HEADER}), so no stage committed it; "
                "read it as a bare directory, or wait for the stage"
            ) from error
        if error.errno in _NO_FILE:
            raise ManifestDamaged(f"{str(where)!r} is no file; {_REMEDY}") from error
        raise
    return _parse_header(content, where)


class _FormatOnly(msgspec.Struct):
    format: str


def _parse_header(content: bytes, where: Path) -> Manifest:
    try:
        found = msgspec.json.decode(content, type=_FormatOnly).format
        name, _, version = found.partition("/")
        if name != FORMAT_NAME or not version.isdecimal():
            raise ManifestDamaged(f"{str(where)!r} is no manifest of this package: its format is {found!r}; {_REMEDY}")
        if int(version) > FORMAT_VERSION:
            raise ManifestTooNew(
                f"{str(where)!r} has format {found}, and this version of airflow-dirops reads up to {FORMAT}; "
                "upgrade airflow-dirops here"
            )
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ManifestDamaged(f"{str(where)!r} cannot be read as a manifest: {error}; {_REMEDY}") from error
