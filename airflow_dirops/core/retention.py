"""What happens to snapshots that were replaced, and to staging areas whose attempt is gone."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airflow_dirops.core.control import ControlDirectory
from airflow_dirops.core.errors import (
    DiropsError,
    ManifestDamaged,
    ManifestMissing,
    ManifestTooNew,
    storage_errors,
)
from airflow_dirops.core.manifest import read_manifest
from airflow_dirops.core.shown import logger

UNMANAGED = "unmanaged-"

log = logger(__name__)


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


@dataclass(frozen=True)
class Retention:
    """How long replaced snapshots are kept: both bounds hold.

    :param keep_snapshots: at least so many.
    :param keep_hours: at least for so long.
    """

    keep_snapshots: int = 1
    keep_hours: float = 24.0

    def expired(self, control: ControlDirectory) -> list[Path]:
        """Retired snapshots past their retention, whether or not a reader holds them."""
        oldest = time.time() - self.keep_hours * 3600
        return [path for path in list_retired(control)[self.keep_snapshots :] if path.stat().st_mtime < oldest]


def drop_expired(control: ControlDirectory, retention: Retention) -> list[str]:
    """Delete retired snapshots past their retention that no reader holds. Failing at it only warns.

    :returns: the ids of what was deleted.
    """
    try:
        with control.locked("retention"):
            # Only the move is under the lock: a rollback cannot take a snapshot that is half deleted.
            going = [held for path in retention.expired(control) if (held := _set_aside(control, path))]
    except (DiropsError, OSError) as error:
        log.warning("could not look for expired snapshots: %s", error)
        return []
    for path, descriptor in going:
        remove_tree(path)
        os.close(descriptor)
    remove_rest(control)
    return [path.name for path, _ in going]


def discard(control: ControlDirectory, directory: Path) -> None:
    """Move a staging area out of sight, so that nobody takes the rest of one for the whole.

    :func:`remove_rest` deletes it, once no file in it is held open: FUSE and NFS keep such a file under another name.
    """
    try:
        control.removing.mkdir(exist_ok=True)
        directory.rename(control.removing / directory.name)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("could not remove %s: %s; the next run of this stage tries again", directory, error)


def remove_tree(path: Path) -> None:
    """Delete a directory of ours; what cannot be deleted stays, with a warning, for the next clean-up."""

    def warn(_: object, where: str, error: tuple[type[BaseException], BaseException, object]) -> None:
        if not isinstance(error[1], FileNotFoundError):
            log.warning("could not remove %s: %s; the next run of this stage tries again", where, error[1])

    shutil.rmtree(path, onerror=warn)


def remove_rest(control: ControlDirectory) -> None:
    """Delete what was discarded, and what a crash left half deleted."""
    for path in control.list_removing():
        remove_tree(path)


def _set_aside(control: ControlDirectory, path: Path) -> tuple[Path, int] | None:
    """Move an expired snapshot to where nobody looks for one, unless a reader holds it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Readers hold a shared lock on the directory itself.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        control.removing.mkdir(exist_ok=True)
        return path.rename(control.removing / path.name), descriptor
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
