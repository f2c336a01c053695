"""Restore from retired snapshots what is damaged."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from airflow_dirops.core.errors import DiropsError, TransientError
from airflow_dirops.core.format.entries import Entry
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.place.held import Kept
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.places import place_of
from airflow_dirops.core.snapshot.opening import open_snapshot
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.upkeep.door import Target, door_to_change
from airflow_dirops.core.upkeep.restoring import restore, upkeep_claim
from airflow_dirops.core.upkeep.verify import Finding, verify_snapshot


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


@door_to_change
def repair(target: Target) -> Repaired:
    """Finish a swap that a crash cut off, and restore damaged entries from retired snapshots that have their bytes.

    What is in none of them has to be made again: run the stage with ``redo="damaged"``, and it recomputes only that.

    :raises ManifestMissing: if no stage committed there.
    """
    place = place_of(target)
    place.finish_what_crashed("repair")
    with open_snapshot(target) as snapshot:
        findings = verify_snapshot(snapshot, deep=True).findings
        damaged = {finding.path for finding in findings if finding.problem in ("missing", "changed")}
        found = _find_bytes(place, snapshot, damaged)
        remaining = [finding for finding in findings if finding.path not in found]
        mendable = bool(found) or any(finding.problem == "extra" for finding in findings)
        if not mendable or any(finding.problem != "extra" for finding in remaining):
            return Repaired(snapshot.manifest.snapshot, [], findings)
        mended = _mend(place, snapshot, found)
    return Repaired(mended.snapshot, sorted(found), [])


def _find_bytes(place: Place, snapshot: Snapshot, damaged: set[str]) -> dict[str, Kept]:
    """For each damaged entry a retired snapshot that has its very bytes, under the same path."""
    wanted = {entry.path: entry.digest for entry in snapshot.iter_entries() if entry.path in damaged}
    found: dict[str, Kept] = {}
    for kept in place.list_kept():
        missing = wanted.keys() - found.keys()
        if kept.is_current or not missing:
            continue
        try:
            with Snapshot(kept.hold()) as retired:
                found |= {path: kept for path in missing if retired.has_digest(path, wanted[path])}
        except TransientError:
            raise
        except DiropsError:
            continue  # it is no snapshot any more
    return found


def _mend(place: Place, damaged: Snapshot, found: Mapping[str, Kept]) -> Manifest:
    """Commit a snapshot with the same lists: good files from the current one, the others from retired ones."""
    with ExitStack() as opened:
        held = {
            kept.manifest.snapshot: opened.enter_context(Snapshot(kept.hold()))
            for kept in {kept.manifest.snapshot: kept for kept in found.values()}.values()
        }

        def holder_of(entry: Entry) -> Snapshot:
            kept = found.get(entry.path)
            return held[kept.manifest.snapshot] if kept else damaged

        claim = opened.enter_context(upkeep_claim(place, "repair", damaged.manifest.stage))
        return restore(claim, "repair", damaged, holder_of)
