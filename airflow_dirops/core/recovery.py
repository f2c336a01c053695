"""Make sense of what a crash left in the control directory. Always under the target's lock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airflow_dirops.core.attempts import AliveLock
from airflow_dirops.core.control import ControlDirectory
from airflow_dirops.core.durable import sync_directory
from airflow_dirops.core.errors import ManifestDamaged, ManifestMissing, ManifestTooNew, StorageError, storage_errors
from airflow_dirops.core.manifest import read_manifest
from airflow_dirops.core.retention import discard, retire
from airflow_dirops.core.shown import logger

log = logger(__name__)


@dataclass
class DeadAttempt:
    """A staging area whose process is gone. Ours while its lock is held."""

    control: ControlDirectory
    directory: Path
    lock: AliveLock

    def discard(self) -> None:
        discard(self.control, self.directory)


def recover(control: ControlDirectory) -> list[DeadAttempt]:
    """Finish a swap that was cut off, keep what was swapped out, and take what dead attempts left.

    :returns: dead attempts, the latest first; their finished files may be reused.
    """
    finish_swap(control)
    dead: list[DeadAttempt] = []
    try:
        for directory in sorted(control.attempts.iterdir(), reverse=True):
            if lock := _take(directory):
                dead.append(DeadAttempt(control, directory, lock))
                keep_swapped_out(control, directory)
    except BaseException:
        release_all(dead)
        raise
    return dead


def _take(directory: Path) -> AliveLock | None:
    """Take a staging area whose attempt is gone; None too where it ended well, and removed it since we looked."""
    try:
        return AliveLock.take(directory)
    except StorageError:
        if directory.exists():
            raise
        return None


def release_all(dead: list[DeadAttempt]) -> None:
    """Leave dead attempts to whoever comes next."""
    for attempt in dead:
        attempt.lock.release()


def finish_swap(control: ControlDirectory) -> None:
    """Roll a two-rename swap forward if its first rename happened; else forget it."""
    intent = control.read_intent()
    if intent is None:
        return
    tree = control.tree_of(intent.attempt)
    if not control.target.exists() and tree.exists():
        with storage_errors("finishing the swap of", control.target):
            tree.rename(control.target)
        sync_directory(control.target.parent)
        log.warning("finished the commit of snapshot %s, which a crash had cut off", intent.snapshot)
    control.remove_intent()


def keep_swapped_out(control: ControlDirectory, directory: Path) -> None:
    """After an exchange, an attempt's own tree holds the snapshot it replaced: that is retired, never deleted."""
    if tree := swapped_out(directory):
        retire(control, tree)


def swapped_out(directory: Path) -> Path | None:
    """An attempt's tree, where it is not the attempt's own work but what a swap took out of the target."""
    tree = directory / "tree"
    return tree if tree.exists() and not _was_staged_by(tree, directory.name) else None


def _was_staged_by(tree: Path, attempt: str) -> bool:
    """Whether a tree is this attempt's own work, sealed or not."""
    try:
        return read_manifest(tree).attempt.id == attempt
    except (ManifestMissing, ManifestDamaged, ManifestTooNew):
        return not mark_of_unmanaged(tree.parent).exists()


def mark_of_unmanaged(directory: Path) -> Path:
    """The file that tells, in an attempt's directory, that its tree may hold a directory of somebody else's."""
    return directory / "replaces-unmanaged"
