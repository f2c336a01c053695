"""Let a run through, once, that would be refused."""

from __future__ import annotations

from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.places.directory.header import read_manifest
from airflow_dirops.core.upkeep.door import Target, control_of, door


@door
def accept_removal(target: Target) -> Manifest:
    """Let the next commit drop as many results of the current snapshot as it will, once.

    :returns: the header of the snapshot that it is for; after another commit the permission means nothing.
    :raises ManifestMissing: if no stage committed there.
    """
    control = control_of(target)
    manifest = read_manifest(control.target)
    control.create()
    control.accept_removal(manifest.snapshot)
    return manifest
