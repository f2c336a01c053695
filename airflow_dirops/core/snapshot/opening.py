"""Open a target's current snapshot, or the one that somebody has pinned."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.members import is_id
from airflow_dirops.core.places import place_of
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
        pinned = pin_of(target)
        held = place_of(pinned.target).hold(pinned.snapshot)
    else:
        held = place_of(checked_path("target", target)).hold()
    return Snapshot(held, codec, verify)


class Pin(NamedTuple):
    """One snapshot of a target, named outright."""

    target: str
    snapshot: str


def pin_of(pinned: Mapping[str, Any]) -> Pin:
    """The snapshot that an outcome, or what a sensor returned, stands for.

    :param pinned: with ``target`` and ``snapshot``, such as an outcome's ``to_dict()``.
    :raises ArgumentRefused: if it does not name a snapshot.
    """
    target, snapshot = pinned.get("target"), pinned.get("snapshot")
    if not (isinstance(target, str) and target.strip() and "\0" not in target and is_id(snapshot)):
        given = {"target": target, "snapshot": snapshot}
        raise ArgumentRefused(
            f"a pinned source needs 'target' and 'snapshot', a path and the id of a snapshot, and not {given!r}; "
            "give what the stage returned, or its target's path alone"
        )
    return Pin(checked_path("target", target), str(snapshot))


def read_manifest(target: str | os.PathLike[str]) -> Manifest:
    """Read the header of a target's current snapshot, and nothing else.

    :raises ManifestMissing: if there is no such directory, or it has no manifest.
    :raises ManifestDamaged: if the header is not a manifest.
    :raises ManifestTooNew: if a newer version of this package wrote it.
    """
    return place_of(checked_path("target", target)).read_header()
