"""Open a target's current snapshot, or the one that somebody has pinned."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.members import is_id
from airflow_dirops.core.places.directory.holding import hold_current, hold_pinned
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.stage.locations import checked_path


def open_snapshot(
    target: str | os.PathLike[str] | Mapping[str, Any],
    *,
    codec: str | Codec | None = None,
    verify: bool = False,
) -> Snapshot:
    """Open the current snapshot of a target, or a pinned one.

    :param target: the target's path; or a mapping with ``target`` and ``snapshot``, such as an outcome's
        ``to_dict()``, which pins that snapshot even when the target was replaced since.
    :param codec: needed for pickles, which are decoded only on request, and for codecs that are not registered.
    :param verify: compare digests while reading.
    :raises ManifestMissing: if no stage committed this directory.
    :raises SnapshotExpired: if the pinned snapshot is no longer kept.
    """
    if isinstance(target, Mapping):
        directory, manifest = hold_pinned(*_pinned(target))
    else:
        directory, manifest = hold_current(Path(checked_path("target", target)))
    return Snapshot(directory, manifest, codec, verify)


def _pinned(pinned: Mapping[str, Any]) -> tuple[Path, str]:
    target, snapshot = pinned.get("target"), pinned.get("snapshot")
    if not (isinstance(target, str) and target.strip() and "\0" not in target and is_id(snapshot)):
        given = {"target": target, "snapshot": snapshot}
        raise ArgumentRefused(
            f"a pinned source needs 'target' and 'snapshot', a path and the id of a snapshot, and not {given!r}; "
            "give what the stage returned, or its target's path alone"
        )
    return Path(checked_path("target", target)), str(snapshot)
