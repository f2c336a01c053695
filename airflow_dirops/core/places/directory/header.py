"""The header of the snapshot that lies in a directory: all that most decisions need to read."""

from __future__ import annotations

import os
from pathlib import Path

from airflow_dirops.core.disk.durable import sync_directory, write_file
from airflow_dirops.core.disk.held import HeldDirectory, is_absence, is_damage, look_anew, read_at_most
from airflow_dirops.core.errors import ManifestDamaged, ManifestMissing, ManifestTooNew, StorageError, storage_errors
from airflow_dirops.core.format.manifest import HEADER, MAX_HEADER_BYTES, Manifest, encode_header, parse_header, remedy


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


def replace_header(area: Path, manifest: Manifest) -> None:
    """Give a sealed tree another header, in one step; it keeps the time of the one before, by which files are judged.

    :param area: the staging area that the tree lies in.
    """
    fresh, header = area / "header.json", area / "tree" / HEADER
    with storage_errors("replacing", header):
        before = os.stat(header, follow_symlinks=False)
        fresh.unlink(missing_ok=True)
        write_file(fresh, encode_header(manifest))
        os.chmod(fresh, before.st_mode & 0o777)
        os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(fresh, header)
    sync_directory(header.parent)


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
