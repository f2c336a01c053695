"""Sealed snapshots that wait in their staging area for somebody's decision: the document that says so.

While it lies beside the sealed tree, and its time is not over, nothing removes that staging area.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from airflow_dirops.core.disk.documents import read_document, replace_document
from airflow_dirops.core.disk.durable import sync_directory
from airflow_dirops.core.disk.held import is_absence
from airflow_dirops.core.errors import (
    DiropsError,
    ManifestDamaged,
    ManifestMissing,
    ManifestTooNew,
    NotHeld,
    storage_errors,
)
from airflow_dirops.core.format.control import Hold, Rejection
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory.areas import id_in, list_attempts
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.header import read_manifest
from airflow_dirops.core.rules.publishing import REJECTIONS_KNOWN, must_stay

_HOLD = "hold.json"
_MOST_TOLD = 3

log = logger(__name__)


@dataclass(frozen=True)
class HeldArea:
    """A sealed snapshot in a staging area, and until when it waits there."""

    area: Path
    hold: Hold
    manifest: Manifest


def write_hold(control: ControlDirectory, area: Path, hold: Hold) -> None:
    """Hold what was sealed in a staging area, durably. Under the target's lock."""
    replace_document(area / _HOLD, msgspec.json.encode(hold))
    sync_directory(area)
    sync_directory(control.attempts)


def on_hold_in(area: Path) -> HeldArea | None:
    """The held snapshot in a staging area; None where there is none, or what lies there is none.

    :raises StorageError: if that cannot be told.
    """
    with suppress(ManifestDamaged, ManifestMissing, ManifestTooNew):
        if (hold := read_document(area / _HOLD, Hold)) is None or not _is_own_directory(area / "tree"):
            return None
        manifest = read_manifest(area / "tree")
        # After a swap the tree is what was replaced.
        if (manifest.snapshot, manifest.attempt.id) == (hold.snapshot, id_in(area.name)):
            return HeldArea(area, hold, manifest)
    return None


def must_be_kept(area: Path) -> bool:
    """Whether a held snapshot lies in a staging area; where that cannot be told, one may, until its time is over."""
    try:
        os.lstat(area / _HOLD)
    except OSError as error:
        return not is_absence(error)
    try:
        hold = read_document(area / _HOLD, Hold)
        if hold is None:  # its name is there
            return True
        sealed = _sealed_in(area, hold) if _is_own_directory(area / "tree") else None
    except ManifestDamaged:
        return False
    except DiropsError:
        return True
    return must_stay(hold, sealed, time.time())


def _sealed_in(area: Path, hold: Hold) -> str:
    """The snapshot in its tree; where that has no header that can be read, the one that it is held for."""
    try:
        return read_manifest(area / "tree").snapshot
    except (ManifestDamaged, ManifestMissing, ManifestTooNew):
        return hold.snapshot


def list_on_hold(control: ControlDirectory) -> list[HeldArea]:
    """What is held, the latest first; also what has run out of time and is still there.

    What cannot be looked at hides nothing else, and is warned of.

    :raises StorageError: if that is all there is.
    """
    unseen: list[DiropsError] = []
    found = list(_iter_on_hold(control, unseen))
    if unseen and not found:
        raise unseen[0]
    for error in unseen[:_MOST_TOLD]:
        log.warning("%s; what may be held there is not listed", error)
    return found


def find_on_hold(control: ControlDirectory, snapshot: str) -> HeldArea:
    """One of them, by its id.

    :raises NotHeld: if it is not among them.
    :raises StorageError: if it may be where this process cannot look.
    """
    unseen: list[DiropsError] = []
    for found in _iter_on_hold(control, unseen):
        if found.hold.snapshot == snapshot:
            return found
    if unseen:
        raise unseen[0]
    raise NotHeld(
        f"snapshot {snapshot} of the target {str(control.target)!r} is not held any more: somebody else has decided, "
        "or its time was over; run its stage again"
    )


def reject(control: ControlDirectory, rejection: Rejection) -> None:
    """Note a rejection, then hold its snapshot no more.

    :raises NotHeld: if it is not held.
    """
    with control.locked("reject"):
        area = find_on_hold(control, rejection.snapshot).area
        others = [each for each in control.read_rejections() if each.snapshot != rejection.snapshot]
        control.write_rejections([*others, rejection][-REJECTIONS_KNOWN:])
        with storage_errors("removing", area / _HOLD):
            (area / _HOLD).unlink()
        sync_directory(area)


def _iter_on_hold(control: ControlDirectory, unseen: list[DiropsError]) -> Iterator[HeldArea]:
    """What is held, the latest first.

    :param unseen: gets why a staging area cannot be looked at.
    """
    for _, areas in reversed(list_attempts(control.attempts)):
        for area in areas:
            try:
                found = on_hold_in(area)
            except DiropsError as error:
                unseen.append(error)
                continue
            if found is not None:
                yield found


def _is_own_directory(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISDIR(os.lstat(path).st_mode)
    return False
