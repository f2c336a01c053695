"""Make sense of what a crash left in the control directory. Always under the target's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from airflow_dirops.core.disk.durable import sync_directory
from airflow_dirops.core.disk.held import HeldDirectory
from airflow_dirops.core.disk.removal import Concerns, concerns
from airflow_dirops.core.errors import DiropsError, ManifestDamaged, ManifestMissing, ManifestTooNew, storage_errors
from airflow_dirops.core.format.control import Intent, Owner
from airflow_dirops.core.format.journal import JournalLine
from airflow_dirops.core.format.runs import time_of
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory.alive import AliveLock, LeftAlone, read_owner
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.header import read_manifest, snapshot_in
from airflow_dirops.core.places.directory.holder import boot_id
from airflow_dirops.core.places.directory.retention import discard, list_own, retire
from airflow_dirops.core.staging.journal import Journal, read_journal

# So many dead attempts are kept: a retry takes over what the try before had taken over, so the last has the most.
MOST_KEPT = 4

log = logger(__name__)


@dataclass
class DeadAttempt:
    """A staging area whose process is gone. Ours while its lock is held.

    :param is_reusable: its finished files may stand for work of the attempt that holds it.
    """

    control: ControlDirectory
    where: Path
    lock: AliveLock
    is_reusable: bool = False

    @property
    def id(self) -> str:
        return self.where.name

    @cached_property
    def owner(self) -> Owner | None:
        return read_owner(self.where)

    @cached_property
    def directory(self) -> HeldDirectory:
        """Its tree, opened when the first file is taken from it."""
        return HeldDirectory.open(self.where / "tree")

    @cached_property
    def is_checked(self) -> bool:
        """Whether size, inode and time are proof enough: after a reboot the kernel may have lost unsynced bytes."""
        return self.owner is not None and self.owner.boot == boot_id()

    @cached_property
    def journal_bytes(self) -> int:
        """How much it has finished; 0 too if it died after its commit."""
        with suppress(OSError):
            # Without a tree, what it finished is, or was, the target.
            return (self.where / Journal.NAME).stat().st_size if (self.where / "tree").is_dir() else 0
        return 0

    def finished(self) -> Iterator[JournalLine]:
        return read_journal(self.where)

    def discard(self, found: Concerns | None = None) -> bool:
        return discard(self.control, self.where, found)

    def release(self) -> None:
        """Leave it to whoever comes next."""
        if "directory" in vars(self):
            self.directory.close()
        self.lock.release()


def take_dead(control: ControlDirectory, left: Callable[[Path, LeftAlone], None]) -> Generator[DeadAttempt]:
    """Take what dead attempts left, one at a time, the latest first; whoever gets one lets go of its lock.

    What a swap took out of the target is kept on the way. Nothing here stops for a directory that cannot be looked at.

    :param left: is told of each attempt that may be alive.
    """
    with concerns(log) as found:
        for directory in reversed(list_own(control.attempts)):
            try:
                if _is_foreign(directory):
                    continue
                lock = AliveLock.take(directory)
                if isinstance(lock, LeftAlone):
                    left(directory, lock)
                    continue
                try:
                    keep_swapped_out(control, directory)
                except BaseException:
                    lock.release()
                    raise
            except (DiropsError, OSError) as error:
                if directory.exists():
                    found.note("could not look at the attempt", directory, error)
                continue
            yield DeadAttempt(control, directory, lock)


def sort_out(
    control: ControlDirectory, *, is_useful: Callable[[Owner], bool], is_reusable: Callable[[Owner], bool]
) -> list[DeadAttempt]:
    """Keep what may save the next attempt work, and move the rest of what dead attempts left out of the way.

    :param is_useful: whether an owner's finished files are worth keeping.
    :param is_reusable: whether this very attempt may use them.
    :returns: a few dead attempts, held: those that have finished the most, and the latest one, which tells what failed.
    """
    kept: list[DeadAttempt] = []
    try:
        with concerns(log) as found, closing(take_dead(control, warn_of(control))) as dead:
            for number, attempt in enumerate(dead):
                attempt.is_reusable = (
                    attempt.journal_bytes > 0 and attempt.owner is not None and is_reusable(attempt.owner)
                )
                kept.append(attempt)
                worst = kept[-1] if number else None
                if attempt.journal_bytes and attempt.owner is not None and is_useful(attempt.owner):
                    worst = min(kept[1:], key=_worth) if len(kept) > MOST_KEPT + 1 else None
                if worst is not None:
                    kept.remove(worst)
                    worst.discard(found)
                    worst.release()
    except BaseException:
        release_all(kept)
        raise
    return kept


def _worth(attempt: DeadAttempt) -> tuple[bool, int]:
    return attempt.is_reusable, attempt.journal_bytes


def warn_of(control: ControlDirectory) -> Callable[[Path, LeftAlone], None]:
    """What tells the log of attempts that may be at work on the same target."""
    told = 0

    def warn(directory: Path, left: LeftAlone) -> None:
        nonlocal told
        told += 1
        if told <= 3:
            log.warning("%s: %s", control.target, describe_left(directory, left))

    return warn


def describe_left(directory: Path, left: LeftAlone) -> str:
    """An attempt that is left alone, in words: who, since when, and what follows."""
    owner = read_owner(directory)
    who = f"{owner} (process {owner.process} on {owner.host})" if owner and owner.run else str(owner or directory.name)
    since = time_of(directory.name)
    if left.until is None:
        return f"{who} is at work on this target too, since {since}; only one of the two can commit"
    until = datetime.fromtimestamp(left.until, UTC).isoformat(timespec="seconds")
    return (
        f"{who}, begun {since}, ran on a machine whose locks may not be seen here; what it finished is left alone "
        f"until {until}, unless it shows life again"
    )


def _is_foreign(directory: Path) -> bool:
    """Whether somebody else put it there: no attempt of ours is without both of these but an empty one, which goes."""
    if any((directory / name).exists() for name in ("alive", "owner.json")):
        return False
    with suppress(OSError):
        os.rmdir(directory)  # its process died before it had made anything
    return True


def release_all(dead: list[DeadAttempt]) -> None:
    """Leave dead attempts to whoever comes next."""
    for attempt in dead:
        attempt.release()


def finish_swap(control: ControlDirectory) -> None:
    """Roll a two-rename swap forward if its first rename happened; else forget it."""
    try:
        intent = control.read_intent()
    except ManifestDamaged as error:
        log.warning("%s; what lies on the disk decides", error)
        if not control.target.exists() and (place := _replaced_last(control)):
            _move_back(control, place)
        control.put_intent_aside()
        return
    if intent is None:
        return
    if not control.target.exists():
        _finish(control, intent)
    control.remove_intent()


def _finish(control: ControlDirectory, intent: Intent) -> None:
    tree, place = control.tree_of(intent.attempt), control.retired / intent.retired
    if _is_directory(tree.parent) and _is_directory(tree) and snapshot_in(tree) == intent.snapshot:
        with storage_errors("finishing the swap of", control.target):
            tree.rename(control.target)
        sync_directory(control.target.parent)
        log.warning("finished the commit of snapshot %s, which a crash had cut off", intent.snapshot)
    elif _is_directory(place):
        _move_back(control, place)


def _move_back(control: ControlDirectory, place: Path) -> None:
    with storage_errors("putting back the snapshot that was to be replaced at", control.target):
        place.rename(control.target)
    sync_directory(control.target.parent)
    log.warning("put %s back, since the commit that was to replace it cannot be finished", place.name)


def _replaced_last(control: ControlDirectory) -> Path | None:
    """What a swap took out of the target and replaced by nothing: the latest that a sealed tree is based on."""
    places = set()
    for directory in list_own(control.attempts):
        tree = directory / "tree"
        if _is_directory(tree):
            with suppress(ManifestMissing, ManifestDamaged, ManifestTooNew):
                if base := read_manifest(tree).base:
                    places.add(control.retired / base)
    found = [place for place in places if _is_directory(place) and snapshot_in(place) == place.name]
    return max(found, key=lambda place: place.stat().st_mtime_ns, default=None)


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


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
