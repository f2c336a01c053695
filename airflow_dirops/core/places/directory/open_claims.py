"""Claims that outlive their process: written down for whoever goes on with them. Always under the target's lock."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from airflow_dirops.core.disk.documents import read_document, replace_document
from airflow_dirops.core.disk.durable import sync_directory
from airflow_dirops.core.errors import ManifestDamaged, ManifestMissing
from airflow_dirops.core.format.control import OpenClaim
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.places.directory.areas import areas_of
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.header import read_manifest
from airflow_dirops.core.rules.ownership import is_dead, open_until

_CLAIM = "claim.json"


def write_open_claim(control: ControlDirectory, attempt: str, claim: OpenClaim) -> None:
    """Write down, durably, what another process must know to go on with a claim."""
    directory = control.attempts / attempt
    replace_document(directory / _CLAIM, msgspec.json.encode(claim))
    sync_directory(directory)
    sync_directory(control.attempts)


def read_open_claim(control: ControlDirectory, attempt: str) -> OpenClaim | None:
    """What was written down, or None where nothing was, or nothing that can be read."""
    with suppress(ManifestDamaged):
        return read_document(control.attempts / attempt / _CLAIM, OpenClaim)
    return None


def given_up_at(control: ControlDirectory, attempt: str) -> float | None:
    """Until when a claim waits for a process that goes on with it, in seconds since the epoch; None if it does not."""
    claim = read_open_claim(control, attempt)
    if claim is None or claim.while_at_work:
        return None
    last_work = max((_time_of(area / "alive") for area in areas_of(control.attempts, attempt)), default=0.0)
    return open_until(attempt, control.read_fence(), current_of(control), last_work)


def bases_of_open_claims(control: ControlDirectory) -> frozenset[str]:
    """Snapshots that a claim is based on which may be committed still, though no process of it holds them."""
    found = set()
    for row in control.read_fence().values():
        if row.open and (claim := read_open_claim(control, row.attempt)) and claim.base:
            until = given_up_at(control, row.attempt)
            if not is_dead(is_at_work=False, until=until, now=time.time()):
                found.add(claim.base)
    return frozenset(found)


def current_of(control: ControlDirectory) -> Manifest | None:
    """The header of the snapshot at the target, if there is one that can be read."""
    with suppress(ManifestMissing, ManifestDamaged):
        return read_manifest(control.target)
    return None


def _time_of(path: Path) -> float:
    with suppress(OSError):
        return os.lstat(path).st_mtime
    return 0.0
