"""Which snapshots of a target are kept, and in which order they replaced each other."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_dirops.core.errors import DiropsError, ManifestMissing, StorageError, TransientError
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.header import read_manifest
from airflow_dirops.core.places.directory.retention import list_retired
from airflow_dirops.core.upkeep.door import Target, control_of, door


@dataclass(frozen=True)
class Kept:
    """A snapshot that can be read: the current one, or a retired one."""

    manifest: Manifest
    is_current: bool
    path: Path


@door
def list_snapshots(target: Target) -> list[Kept]:
    """The snapshots of a target that are still kept, the current one first, then by who replaced whom.

    :raises ManifestMissing: if no stage ever committed there.
    """
    control = control_of(target)
    current, retired = current_of(control), retired_of(control)
    kept = [current] if current else []
    kept += in_order_of_replacement(current.manifest if current else None, retired)
    if not kept:
        raise ManifestMissing(f"there is no snapshot at {str(target)!r}, and none is kept")
    return kept


def current_of(control: ControlDirectory) -> Kept | None:
    """The snapshot at the target, if its header can be read."""
    return _look(control.target, is_current=True)


def retired_of(control: ControlDirectory) -> list[Kept]:
    """Retired snapshots whose header can be read, the latest retired first."""
    return [kept for path in list_retired(control) if (kept := _look(path, is_current=False))]


def _look(path: Path, *, is_current: bool) -> Kept | None:
    try:
        manifest = read_manifest(path)
    except TransientError as error:
        if not is_current and isinstance(error, StorageError) and error.errno in (errno.EACCES, errno.EPERM):
            return None  # the others may be looked at
        raise
    except DiropsError:
        return None
    # Somebody put it there, or changed its header: it is not what was retired under that name.
    return Kept(manifest, is_current, path) if is_current or path.name.startswith(manifest.snapshot) else None


def in_order_of_replacement(current: Manifest | None, retired: Sequence[Kept]) -> list[Kept]:
    """What the current snapshot replaced, then what that one replaced, and so on: clocks decide only where that ends.

    :param current: what is there; None where it cannot be read.
    :param retired: in the order in which they are taken where nothing kept tells more.
    """
    waiting = {kept.manifest.snapshot: kept for kept in retired}
    return list(_walk(current.base if current else None, waiting))


def _walk(next_id: str | None, waiting: dict[str, Kept]) -> Iterator[Kept]:
    while waiting:
        if next_id not in waiting:
            replaced = {kept.manifest.base for kept in waiting.values()}
            next_id = next((kept for kept in waiting if kept not in replaced), next(iter(waiting)))
        kept = waiting.pop(next_id)
        yield kept
        next_id = kept.manifest.base
