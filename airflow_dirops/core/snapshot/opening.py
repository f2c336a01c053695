"""Open a target's current snapshot, or the one that somebody has pinned."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.pins import ListingPin, Pin
from airflow_dirops.core.places import place_of
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.stage.locations import checked_path, checked_source


def open_snapshot(
    target: str | os.PathLike[str] | Mapping[str, Any] | Pin,
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
    named = checked_source("target", target)
    if isinstance(named, ListingPin):
        raise ArgumentRefused(
            f"{named.directory!r} was looked at by a DirectorySensor, and is no snapshot; give the target of a stage"
        )
    if isinstance(named, str):
        return Snapshot(place_of(named).hold(), codec, verify)
    if named.snapshot is None:
        raise ArgumentRefused(f"{named.target!r} is what a dry run came to, and nothing was made; run its stage first")
    return Snapshot(place_of(named.target).hold(named.snapshot), codec, verify)


def read_manifest(target: str | os.PathLike[str]) -> Manifest:
    """Read the header of a target's current snapshot, and nothing else.

    :raises ManifestMissing: if there is no such directory, or it has no manifest.
    :raises ManifestDamaged: if the header is not a manifest.
    :raises ManifestTooNew: if a newer version of this package wrote it.
    """
    return place_of(checked_path("target", target)).read_header()
