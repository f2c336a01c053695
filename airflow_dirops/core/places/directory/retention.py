"""What happens to snapshots that were replaced, and to staging areas whose attempt is gone."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import ExitStack, suppress
from errno import EXDEV
from itertools import islice
from math import inf
from pathlib import Path

from airflow_dirops.core.disk.removal import Concerns, concerns, remove_tree
from airflow_dirops.core.errors import (
    DiropsError,
    storage_errors,
)
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory.areas import id_in, list_own
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.header import snapshot_in
from airflow_dirops.core.places.directory.on_hold import must_be_kept
from airflow_dirops.core.places.directory.open_claims import OpenClaims
from airflow_dirops.core.stage.retention import KEEP_HOURS, KEEP_SNAPSHOTS, Retention

UNMANAGED = "unmanaged-"
# What tells that a directory is a snapshot, or an attempt's; deleted after all else in it.
_MARKS = frozenset({MANIFEST_DIRECTORY, "alive", "owner.json"})
# So many descriptors are open while snapshots are deleted.
_AT_ONCE = 16

log = logger(__name__)


def retire(control: ControlDirectory, tree: Path) -> Path:
    """Keep a directory that is, or was, the target.

    :param tree: a replaced snapshot; without a manifest it is somebody else's directory, and kept until removed.
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
    """Retired snapshots, the latest first; without what was never ours, and what somebody put there."""
    found: list[tuple[int, Path]] = []
    for path in list_own(control.retired):
        with suppress(OSError):
            found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found, reverse=True)]


def list_unmanaged(control: ControlDirectory) -> list[str]:
    """Names of replaced directories that no stage wrote, in ``retired/``."""
    return [name for name in _names(control.retired) if name.startswith(UNMANAGED)]


def list_foreign(control: ControlDirectory) -> list[str]:
    """What somebody put into the control directory's folders; nothing of ours touches it."""
    found = []
    for directory in (control.attempts, control.retired, control.removing):
        own = {path.name for path in list_own(directory) if _may_be_own(path)}
        others = (name for name in _names(directory) if name not in own and not name.startswith(UNMANAGED))
        found += [f"{directory.name}/{name}" for name in others]
    return found


def _names(directory: Path) -> list[str]:
    with suppress(FileNotFoundError):
        return sorted(os.listdir(directory))
    return []


def list_expired(control: ControlDirectory, retention: Retention) -> list[Path]:
    """Retired snapshots past their retention, whether or not a reader holds them."""
    count = KEEP_SNAPSHOTS if retention.keep_snapshots is None else retention.keep_snapshots
    oldest = time.time() - (KEEP_HOURS if retention.keep_hours is None else retention.keep_hours) * 3600
    return [path for path in list_retired(control)[count:] if path.stat().st_mtime < oldest]


def drop_expired(control: ControlDirectory, retention: Retention, found: Concerns | None = None) -> list[str]:
    """Delete retired snapshots past their retention that no reader holds. Failing at it only warns.

    :param found: is told of what stays and should have gone.
    :returns: the ids of what was deleted.
    """
    dropped: list[str] = []
    with ExitStack() as stack:
        found = found or stack.enter_context(concerns(log))
        try:
            waiting = iter(list_expired(control, retention))
            while some := list(islice(waiting, _AT_ONCE)):
                dropped += _drop(control, some, found)
        except (DiropsError, OSError) as error:
            found.note("could not look for expired snapshots of", control.target, error)
        remove_rest(control, found)
    return dropped


def discard(control: ControlDirectory, directory: Path, found: Concerns | None = None) -> bool:
    """Move a staging area out of sight, so that nobody takes the rest of one for the whole.

    :func:`remove_rest` deletes it, once no file in it is held open: FUSE and NFS keep such a file under another name.

    What lies beside a held snapshot stays, until that is decided or its time is over.

    :returns: whether it is out of sight.
    """
    if must_be_kept(directory):
        return False
    with ExitStack() as stack:
        found = found or stack.enter_context(concerns(log))
        try:
            directory.rename(_free_name(control.removing / directory.name))
        except FileNotFoundError:
            pass
        except OSError as error:
            retried = f"{error}; the next run of this stage tries again"
            found.note("could not remove", directory, error if error.errno == EXDEV else retried)
            return False
    return True


def remove_rest(control: ControlDirectory, found: Concerns | None = None, seconds: float = inf) -> None:
    """Delete what was discarded, and what a crash left half deleted.

    :param found: is told what stayed.
    :param seconds: begin no further one after this time; the rest is left to the next clean-up.
    """
    deadline = time.monotonic() + seconds
    with ExitStack() as stack:
        found = found or stack.enter_context(concerns(log))
        try:
            discarded = list_own(control.removing)
        except OSError as error:
            found.note("could not clean up", control.removing, error)
            return
        for path in discarded:
            try:
                if _is_own(path):
                    remove_tree(path, found, last=_MARKS)
            except FileNotFoundError:  # another process deletes it too
                pass
            except OSError as error:
                found.note("could not remove", path, error)
            if time.monotonic() > deadline:
                return


def _may_be_own(path: Path) -> bool:
    """The same; one that cannot be looked at may be, by its name."""
    try:
        return _is_own(path)
    except OSError:
        return True


def _is_own(path: Path) -> bool:
    """Whether a directory is a snapshot or an attempt of ours, or what is left of one: the marks go last."""
    with os.scandir(path) as entries:
        is_empty = next(entries, None) is None
    return is_empty or any((path / mark).exists() for mark in _MARKS)


def _drop(control: ControlDirectory, some: list[Path], found: Concerns) -> list[str]:
    """Delete a few snapshots, so that few descriptors are open."""
    going: list[tuple[Path, int]] = []
    try:
        with control.locked("retention"):
            in_use = OpenClaims(control).bases(found)
            # Only the move is under the lock: nobody takes a snapshot that is half deleted.
            for path in some:
                try:
                    if in_use.may_include(path):
                        continue
                    if held := _set_aside(control, path):
                        going.append(held)
                except (DiropsError, OSError) as error:
                    found.note("could not drop the expired snapshot", path, error)
        for path, _ in going:
            remove_tree(path, found, last=_MARKS)
    finally:
        for _, descriptor in going:
            os.close(descriptor)
    return [path.name for path, _ in going]


def _set_aside(control: ControlDirectory, path: Path) -> tuple[Path, int] | None:
    """Move an expired snapshot to where nobody looks for one, unless a reader holds it or it is not ours."""
    if snapshot_in(path) != id_in(path.name):
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Readers hold a shared lock on the directory itself.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.rename(_free_name(control.removing / path.name)), descriptor
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
