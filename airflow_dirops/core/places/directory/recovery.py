"""Make sense of what a crash left in the control directory. Always under the target's lock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from airflow_dirops.core.disk.durable import sync_directory
from airflow_dirops.core.disk.removal import Concerns, concerns
from airflow_dirops.core.errors import DiropsError, ManifestDamaged, ManifestMissing, ManifestTooNew, storage_errors
from airflow_dirops.core.format.control import Intent, Owner
from airflow_dirops.core.format.runs import shown_time, time_of
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory.alive import AliveLock, LeftAlone, read_owner
from airflow_dirops.core.places.directory.areas import id_in, list_attempts, list_own
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.dead import DeadAttempt, LeftArea, release_all
from airflow_dirops.core.places.directory.header import read_manifest, snapshot_in
from airflow_dirops.core.places.directory.on_hold import must_be_kept
from airflow_dirops.core.places.directory.open_claims import OpenClaims
from airflow_dirops.core.places.directory.retention import retire
from airflow_dirops.core.rules.ownership import is_dead

# So many dead attempts are kept besides the latest: a retry takes over what the try before had taken over, so the
# last has the most.
MOST_KEPT = 4

log = logger(__name__)


def take_dead(
    control: ControlDirectory, left: Callable[[Path, LeftAlone], None], found: Concerns | None = None
) -> Generator[DeadAttempt]:
    """Take what dead attempts left, one at a time, the latest first; whoever gets one lets go of its lock.

    What a swap took out of the target is kept on the way. Nothing here stops for a directory that cannot be looked at.

    :param left: is told of each attempt that may be alive.
    :param found: is told of each that cannot be looked at.
    """
    with ExitStack() as stack:
        found = found or stack.enter_context(concerns(log))
        claims = OpenClaims(control)
        for attempt, areas in reversed(list_attempts(control.attempts)):
            try:
                with storage_errors("looking at", areas[0]):
                    taken = _take(claims, control, attempt, [area for area in areas if not _is_foreign(area)], left)
            except DiropsError as error:
                if any(os.path.lexists(area) for area in areas):
                    found.note("could not look at the attempt", areas[0], error)
                continue
            if taken is not None:
                yield taken


def _take(
    claims: OpenClaims,
    control: ControlDirectory,
    attempt: str,
    areas: list[Path],
    left: Callable[[Path, LeftAlone], None],
) -> DeadAttempt | None:
    """Take an attempt, unless it may go on: then nothing of it is taken."""
    if not areas:
        return None
    locks: list[AliveLock] = []
    with ExitStack() as release:
        for area in areas:
            lock = AliveLock.take(area)
            if isinstance(lock, LeftAlone):
                left(area, lock)
                return None
            release.callback(lock.release)
            locks.append(lock)
        until = claims.open_until(attempt, areas)
        if not is_dead(is_at_work=False, until=until, now=time.time()):
            left(areas[0], LeftAlone(until, is_open=True))
            return None
        for area in areas:
            keep_swapped_out(control, area)
        release.pop_all()
    return DeadAttempt(control, attempt, [LeftArea(area, is_given_up=not must_be_kept(area)) for area in areas], locks)


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
    since = time_of(id_in(directory.name))
    if left.until is None:
        return f"{who} is at work on this target too, since {since}; only one of the two can commit"
    until = shown_time(left.until)
    if left.is_open:
        return (
            f"{who}, begun {since}, has left its claim open for its other processes; what it finished is theirs until "
            f"{until}, unless its run begins anew or one of them commits"
        )
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
    """After an exchange, the tree of who committed holds what it replaced: that is retired, never deleted."""
    if tree := swapped_out(directory):
        retire(control, tree)


def swapped_out(directory: Path) -> Path | None:
    """An attempt's tree, where it is not the attempt's own work but what a swap took out of the target."""
    tree = directory / "tree"
    return tree if tree.exists() and not _was_staged_by(tree, id_in(directory.name)) else None


def _was_staged_by(tree: Path, attempt: str) -> bool:
    """Whether a tree is this attempt's own work, sealed or not."""
    try:
        return read_manifest(tree).attempt.id == attempt
    except (ManifestMissing, ManifestDamaged, ManifestTooNew):
        return not mark_of_unmanaged(tree.parent).exists()


def mark_of_unmanaged(directory: Path) -> Path:
    """The file that tells, in an attempt's directory, that its tree may hold a directory of somebody else's."""
    return directory / "replaces-unmanaged"
