"""The header of the snapshot that lies in a directory: all that most decisions need to read."""

from __future__ import annotations

import os
from pathlib import Path

from airflow_dirops.core.disk.held import HeldDirectory, is_absence, is_damage, look_anew, read_at_most
from airflow_dirops.core.errors import ManifestDamaged, ManifestMissing, ManifestTooNew, StorageError, storage_errors
from airflow_dirops.core.format.manifest import HEADER, MAX_HEADER_BYTES, Manifest, parse_header, remedy


def read_manifest(target: Path) -> Manifest:
    """Read the header of a target's current snapshot, and nothing else.

    :raises ManifestMissing: if there is no such directory, or it has no manifest.
    :raises ManifestDamaged: if the header is not a manifest.
    :raises ManifestTooNew: if a newer version of this package wrote it.
    """
    with hold_snapshot(target) as directory:
        return read_header(directory)


def snapshot_in(tree: Path) -> str | None:
    """The id of the snapshot that lies in a directory, or None where none was sealed there."""
    try:
        return read_manifest(tree).snapshot
    except (ManifestMissing, ManifestDamaged, ManifestTooNew):
        return None


def hold_snapshot(path: Path) -> HeldDirectory:
    """Hold a directory that shall be a snapshot.

    :raises ManifestMissing: if there is no such directory.
    :raises StorageError: if it may not be opened.
    """
    look_anew(Path(os.path.realpath(path)).parent)
    try:
        with storage_errors("opening", path):
            return HeldDirectory.open(path)
    except StorageError as error:
        if is_damage(error):
            raise ManifestMissing(f"there is no snapshot at {os.path.abspath(path)!r}: no such directory") from error
        raise


def read_header(directory: HeldDirectory) -> Manifest:
    """As :func:`read_manifest`, of a directory that is held open."""
    where = directory.path / HEADER
    try:
        with storage_errors("reading", where), directory.reading(HEADER) as descriptor:
            content = read_at_most(descriptor, MAX_HEADER_BYTES + 1)
    except StorageError as error:
        if is_absence(error):
            raise ManifestMissing(
                f"{os.path.abspath(directory.path)!r} has no manifest ({HEADER}), so no stage committed it; "
                "read it as a bare directory, or wait for the stage"
            ) from error
        if is_damage(error):
            raise ManifestDamaged(f"{str(where)!r} is no file: {error.strerror}; {remedy(where)}") from error
        raise
    return parse_header(content, where)
