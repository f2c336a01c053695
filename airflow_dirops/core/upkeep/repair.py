"""Compare a target with its manifest, and restore from retired snapshots what is damaged."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from airflow_dirops.core.errors import DiropsError, TransientError
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.retention import list_retired
from airflow_dirops.core.snapshot.opening import open_snapshot
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.upkeep.door import Target, control_of, door
from airflow_dirops.core.upkeep.recovering import finish_what_crashed
from airflow_dirops.core.upkeep.restoring import restore, upkeep_claim
from airflow_dirops.core.upkeep.verify import Finding, Verification, verify_snapshot


@dataclass(frozen=True)
class Repaired:
    """What a repair did.

    :param snapshot: the id of the snapshot that is there now.
    :param restored: paths whose bytes were found in a retired snapshot.
    :param remaining: what could not be mended so.
    """

    snapshot: str
    restored: list[str]
    remaining: list[Finding]


@door
def verify(target: Target, *, deep: bool = False) -> Verification:
    """Compare a target with its manifest.

    :param deep: by digest, reading every byte; else by size.
    :raises ManifestMissing: if no stage committed there.
    """
    with open_snapshot(target) as snapshot:
        return verify_snapshot(snapshot, deep=deep)


@door
def repair(target: Target) -> Repaired:
    """Finish a swap that a crash cut off, and restore damaged entries from retired snapshots that have their bytes.

    What is in none of them has to be made again: run the stage with ``redo="damaged"``, and it recomputes only that.

    :raises ManifestMissing: if no stage committed there.
    """
    control = control_of(target)
    finish_what_crashed(control, "repair")
    with open_snapshot(target) as snapshot:
        findings = verify_snapshot(snapshot, deep=True).findings
        damaged = {finding.path for finding in findings if finding.problem in ("missing", "changed")}
        places = _find_bytes(control, snapshot, damaged)
        remaining = [finding for finding in findings if finding.path not in places]
        mendable = bool(places) or any(finding.problem == "extra" for finding in findings)
        if not mendable or any(finding.problem != "extra" for finding in remaining):
            return Repaired(snapshot.manifest.snapshot, [], findings)
        mended = _mend(control, snapshot, places)
    return Repaired(mended.snapshot, sorted(places), [])


def _find_bytes(control: ControlDirectory, snapshot: Snapshot, damaged: set[str]) -> dict[str, Path]:
    """For each damaged entry a retired snapshot that has its very bytes, under the same path."""
    wanted = {entry.path: entry.digest for entry in snapshot.iter_entries() if entry.path in damaged}
    found: dict[str, Path] = {}
    for place in list_retired(control):
        if not (missing := wanted.keys() - found.keys()):
            break
        try:
            with open_snapshot(place) as retired:
                found |= {path: place for path in missing if retired.has_digest(path, wanted[path])}
        except TransientError:
            raise
        except DiropsError:
            continue  # it is no snapshot any more
    return found


def _mend(control: ControlDirectory, damaged: Snapshot, places: dict[str, Path]) -> Manifest:
    """Commit a snapshot with the same lists: good files from the current one, the others from retired ones."""
    with ExitStack() as stack:
        opened = {place: stack.enter_context(open_snapshot(place)) for place in set(places.values())}
        claim = stack.enter_context(upkeep_claim(control, "repair", damaged.manifest.stage))
        return restore(claim, "repair", damaged, lambda entry: opened.get(places.get(entry.path, Path()), damaged))
