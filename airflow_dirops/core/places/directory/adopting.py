"""Let a stage replace, once, what is not its own: a directory that no stage wrote, or another stage's snapshot."""

from __future__ import annotations

from contextlib import suppress

from airflow_dirops.core.errors import ArgumentRefused, ManifestDamaged, ManifestMissing
from airflow_dirops.core.format.control import Adoption
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.header import read_manifest
from airflow_dirops.core.places.directory.preflight import (
    check_can_be_moved_aside,
    is_vacant,
    last_changed,
    make_writable,
)


def adopt(control: ControlDirectory, stage: str | None) -> Adoption:
    """Write the permission for what is at the target now.

    :raises ArgumentRefused: if nothing is in the way of that stage.
    :raises TargetRefused: if what is there must stay.
    """
    where, current = str(control.target), _current(control)
    if current is None and is_vacant(control.target):
        raise ArgumentRefused(f"there is nothing at {where!r} that would have to be replaced; run the stage")
    if current is None:
        check_can_be_moved_aside(control.target)
    elif current.stage == stage:
        raise ArgumentRefused(f"{where!r} is stage {stage!r}'s own already; run the stage, nothing is in its way")
    adoption = Adoption(stage, current.snapshot) if current else Adoption(stage, None, last_changed(control.target))
    make_writable(control.target)
    control.create()
    with control.locked("adopt"):
        control.write_adoption(adoption)
    return adoption


def adoption_of(control: ControlDirectory) -> Adoption | None:
    """The permission, if it is for what is at the target now."""
    adoption, current = control.read_adoption(), _current(control)
    is_for_it = adoption and adoption.is_for(current.snapshot if current else None, last_changed(control.target))
    return adoption if is_for_it else None


def _current(control: ControlDirectory) -> Manifest | None:
    with suppress(ManifestMissing, ManifestDamaged):
        return read_manifest(control.target)
    return None
