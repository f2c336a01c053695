"""What happens to snapshots that were replaced, and to staging areas whose attempt is gone."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from airflow_dirops.core.control import ControlDirectory
from airflow_dirops.core.errors import ManifestDamaged, ManifestMissing, ManifestTooNew, storage_errors
from airflow_dirops.core.manifest import read_manifest

KEEP_SNAPSHOTS = 1
KEEP_SECONDS = 24 * 3600.0
UNMANAGED = "unmanaged-"

log = logging.getLogger(__name__)


def snapshot_in(tree: Path) -> str | None:
    """The id of the snapshot that lies in a directory, or None where none was sealed there."""
    try:
        return read_manifest(tree).snapshot
    except (ManifestMissing, ManifestDamaged, ManifestTooNew):
        return None


def retire(control: ControlDirectory, tree: Path) -> Path:
    """Keep a directory that is, or was, the target.

    :param tree: a replaced snapshot; without a manifest it is a directory of somebody else's, and kept for ever.
    :returns: where it lies now.
    """
    place = retirement_place(control, tree)
    with storage_errors("keeping the replaced snapshot of", control.target):
        tree.rename(place)
    return place


def retirement_place(control: ControlDirectory, tree: Path) -> Path:
    """Where a directory will be kept; its age counts from now, so that no crash leaves it looking old."""
    snapshot = snapshot_in(tree)
    if snapshot is None:
        return _free_name(control.retired / (UNMANAGED + time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())))
    with suppress(OSError):
        os.utime(tree)
    return _free_name(control.retired / snapshot)


def list_retired(control: ControlDirectory) -> list[Path]:
    """Retired snapshots, the latest first, without what was never ours."""
    with suppress(FileNotFoundError):
        names = (path for path in control.retired.iterdir() if not path.name.startswith(UNMANAGED))
        return sorted(names, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return []


def drop_expired(
    control: ControlDirectory, *, keep_snapshots: int = KEEP_SNAPSHOTS, keep_seconds: float = KEEP_SECONDS
) -> list[Path]:
    """Delete retired snapshots past their retention that no reader holds.

    :returns: what was deleted.
    """
    oldest = time.time() - keep_seconds
    expired = [path for path in list_retired(control)[keep_snapshots:] if path.stat().st_mtime < oldest]
    return [path for path in expired if _delete_unless_held(path)]


def remove_tree(path: Path) -> None:
    """Delete a directory of ours; what cannot be deleted stays, with a warning, for the next clean-up."""

    def warn(_: object, where: str, error: BaseException | tuple[object, ...]) -> None:
        log.warning("could not remove %s: %s; the next run of this stage tries again", where, error)

    if path.exists():
        shutil.rmtree(path, onerror=warn)


def _delete_unless_held(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Readers hold a shared lock on the directory itself.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        remove_tree(path)
        return not path.exists()
    finally:
        os.close(descriptor)


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
