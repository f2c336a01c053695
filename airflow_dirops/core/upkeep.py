"""What a person does to a target between runs: look at its history, check it, mend it, roll it back, clean up.

Whatever changes the target is a commit like any other: under a claim, by one swap, whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import msgspec

from airflow_dirops.core.attempts import Attempt, LogicalRun, new_id
from airflow_dirops.core.beneath import HeldDirectory
from airflow_dirops.core.claim import Claim, claim_target
from airflow_dirops.core.commit import commit
from airflow_dirops.core.control import ControlDirectory
from airflow_dirops.core.durable import sync_directory
from airflow_dirops.core.entries import MANIFEST_DIRECTORY
from airflow_dirops.core.errors import (
    DiropsError,
    ManifestMissing,
    SnapshotDamaged,
    SnapshotExpired,
    remaining_storage_errors,
    storage_errors,
)
from airflow_dirops.core.manifest import Manifest, read_manifest, write_header
from airflow_dirops.core.reader import Snapshot, open_snapshot
from airflow_dirops.core.recovery import recover, release_all
from airflow_dirops.core.retention import UNMANAGED, Retention, drop_expired, list_retired, remove_rest, snapshot_in
from airflow_dirops.core.verify import Finding, Verification, verify_snapshot

P = ParamSpec("P")
T = TypeVar("T")
Target = str | os.PathLike[str]


def _door(function: Callable[Concatenate[Target, P], T]) -> Callable[Concatenate[Target, P], T]:
    @wraps(function)
    def call(target: Target, /, *args: P.args, **options: P.kwargs) -> T:
        with remaining_storage_errors(target):
            return function(target, *args, **options)

    return call


@dataclass(frozen=True)
class Kept:
    """A snapshot that can be read: the current one, or a retired one."""

    manifest: Manifest
    is_current: bool
    path: Path


@dataclass(frozen=True)
class Cleaned:
    """What a clean-up removed: orphans by attempt, snapshots by id; and directories of others that it left."""

    orphans: list[str]
    snapshots: list[str]
    unmanaged: list[str]


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


@_door
def list_snapshots(target: Target) -> list[Kept]:
    """The snapshots of a target that are still kept, the latest commit first.

    :raises ManifestMissing: if no stage ever committed there.
    """
    control = _control(target)
    kept = [kept for path in (control.target, *list_retired(control)) if (kept := _look(path, control.target))]
    if not kept:
        raise ManifestMissing(f"there is no snapshot at {str(target)!r}, and none is kept")
    return sorted(kept, key=lambda kept: kept.manifest.created, reverse=True)


@_door
def verify(target: Target, *, deep: bool = False) -> Verification:
    """Compare a target with its manifest.

    :param deep: by digest, reading every byte; else by size.
    :raises ManifestMissing: if no stage committed there.
    """
    with open_snapshot(target) as snapshot:
        return verify_snapshot(snapshot, deep=deep)


@_door
def rollback(target: Target, snapshot: str | None = None) -> Manifest:
    """Make a retired snapshot the current one again; the current one is retired.

    :param snapshot: its id; by default the one that was replaced last, trial runs aside. Nothing happens if it is
        the current one, as after a rollback that died before it could say so.
    :returns: the header of the snapshot that is there now.
    :raises SnapshotExpired: if it is not kept.
    :raises SnapshotDamaged: if it is no longer what its manifest says.
    """
    control = _control(target)
    _recover(control, "rollback")
    if snapshot is not None and snapshot_in(control.target) == snapshot:
        return read_manifest(control.target)
    place = _choose_retired(control, snapshot)
    _check_whole(place)
    with _claim(control, "rollback", read_manifest(place).stage) as claim:
        tree = control.tree_of(claim.attempt.id)
        with storage_errors("taking the retired snapshot", place):
            place.rename(tree)
        manifest = read_manifest(tree)
        commit(claim, manifest)
    return manifest


@_door
def clean(target: Target, retention: Retention | None = None) -> Cleaned:
    """Remove orphans and expired snapshots; never a live attempt, the current snapshot or one that is read."""
    control = _control(target)
    if not control.path.is_dir():
        return Cleaned([], [], [])
    with control.locked("clean"):
        dead = recover(control)
    orphans = [attempt.directory.name for attempt in dead]
    for attempt in dead:
        attempt.discard()
    release_all(dead)
    remove_rest(control)
    expired = drop_expired(control, retention or Retention())
    unmanaged = [path.name for path in control.retired.iterdir() if path.name.startswith(UNMANAGED)]
    return Cleaned(orphans, expired, sorted(unmanaged))


@_door
def repair(target: Target) -> Repaired:
    """Finish a swap that a crash cut off, and restore damaged entries from retired snapshots that have their bytes.

    What is in none of them has to be made again: run the stage with ``verify=True``, and it recomputes only that.

    :raises ManifestMissing: if no stage committed there.
    """
    control = _control(target)
    _recover(control, "repair")
    with open_snapshot(target) as snapshot:
        findings = verify_snapshot(snapshot, deep=True).findings
        damaged = {finding.path for finding in findings if finding.problem in ("missing", "changed")}
        sources = _find_bytes(control, snapshot, damaged)
        remaining = [finding for finding in findings if finding.path not in sources]
        mendable = bool(sources) or any(finding.problem == "extra" for finding in findings)
        if not mendable or any(finding.problem != "extra" for finding in remaining):
            return Repaired(snapshot.manifest.snapshot, [], findings)
        mended = _commit_mended(control, snapshot, sources)
    return Repaired(mended.snapshot, sorted(sources), [])


def _control(target: Target) -> ControlDirectory:
    return ControlDirectory(Path(os.path.realpath(target)))


def _recover(control: ControlDirectory, why: str) -> None:
    """Finish what a crash cut off, so that the snapshots lie where they belong."""
    if control.path.is_dir():
        with control.locked(why):
            release_all(recover(control))


def _look(path: Path, current: Path) -> Kept | None:
    with suppress(DiropsError):
        return Kept(read_manifest(path), path == current, path)
    return None


def _claim(control: ControlDirectory, why: str, stage: str) -> Claim:
    run = LogicalRun(run_id=f"{why} {new_id()}", task_id=why)
    # A target whose own manifest is damaged is the first thing that one rolls back; it is moved aside.
    return claim_target(
        control, Attempt(run=run), stage=stage, fingerprint="", replace_unmanaged=True, take_over_stage=True
    )


def _choose_retired(control: ControlDirectory, snapshot: str | None) -> Path:
    kept = list_retired(control)
    for path in kept:
        if path.name == snapshot or (snapshot is None and not _is_trial(path)):
            return path
    wanted = f"snapshot {snapshot}" if snapshot else "an earlier snapshot"
    names = ", ".join(path.name for path in kept) or "none"
    raise SnapshotExpired(f"{wanted} of {str(control.target)!r} is not kept; kept are: {names}")


def _is_trial(place: Path) -> bool:
    with suppress(DiropsError):
        return read_manifest(place).limit is not None
    return False


def _check_whole(place: Path) -> None:
    with open_snapshot(place) as snapshot:
        findings = verify_snapshot(snapshot, deep=True).findings
    if findings:
        raise SnapshotDamaged(
            f"the retired snapshot {str(place)!r} is not what its manifest says; choose another one",
            [f"{finding.path!r} is {finding.problem}: {finding.detail}" for finding in findings[:20]],
        )


def _find_bytes(control: ControlDirectory, snapshot: Snapshot, damaged: set[str]) -> dict[str, Path]:
    """For each damaged entry a retired snapshot that has its very bytes, under the same path."""
    wanted = {entry.path: entry.digest for entry in snapshot.iter_entries() if entry.path in damaged}
    found: dict[str, Path] = {}
    for place in list_retired(control):
        with suppress(DiropsError, OSError), open_snapshot(place) as retired:
            for path in wanted.keys() - found.keys():
                with suppress(OSError):
                    if retired.has_digest(path, wanted[path]):
                        found[path] = place
    return found


def _commit_mended(control: ControlDirectory, damaged: Snapshot, sources: dict[str, Path]) -> Manifest:
    """A new snapshot with the same lists: good files linked from the current one, the others from retired ones."""
    with _claim(control, "repair", damaged.manifest.stage) as claim:
        tree = control.tree_of(claim.attempt.id)
        manifest = msgspec.structs.replace(
            damaged.manifest, snapshot=new_id(), base=damaged.manifest.snapshot, attempt=claim.attempt.record()
        )
        with storage_errors("mending", control.target):
            _link_all(damaged, sources, tree)
        with HeldDirectory.open(tree) as held:
            write_header(held, manifest)
        _sync_all(tree)
        commit(claim, manifest)
    return manifest


def _link_all(damaged: Snapshot, sources: dict[str, Path], tree: Path) -> None:
    tree.mkdir(mode=damaged.path.stat().st_mode & 0o7777)
    with HeldDirectory.open(tree) as held:
        for path in _iter_paths(damaged):
            if path in sources:
                with HeldDirectory.open(sources[path]) as retired:
                    retired.link_file(path, held)
            else:
                damaged.directory.link_file(path, held)


def _iter_paths(snapshot: Snapshot) -> Iterator[str]:
    yield from (f"{MANIFEST_DIRECTORY}/{name}" for name in snapshot.manifest.lists)
    yield from (entry.path for entry in snapshot.iter_entries())


def _sync_all(tree: Path) -> None:
    for directory, _, _ in os.walk(tree, topdown=False):
        sync_directory(Path(directory))
