"""Let a run through, once, that would be refused."""

from __future__ import annotations

from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.places import place_of
from airflow_dirops.core.upkeep.door import Target, door_to_change


@door_to_change
def accept_removal(target: Target) -> Manifest:
    """Let the next commit drop as many results of the current snapshot as it will, once.

    :returns: the header of the snapshot that it is for; after another commit the permission means nothing.
    :raises ManifestMissing: if no stage committed there.
    """
    place = place_of(target)
    manifest = place.read_header()
    place.accept_removal(manifest.snapshot)
    return manifest
