"""Make an earlier snapshot the current one again."""

from __future__ import annotations

from contextlib import closing

from airflow_dirops.core.errors import SnapshotDamaged, SnapshotExpired
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.first_few import first_few
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place.held import Kept
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.places import place_of
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.upkeep.door import Target, door_to_change
from airflow_dirops.core.upkeep.history import current_of, in_order
from airflow_dirops.core.upkeep.restoring import restore, upkeep_claim
from airflow_dirops.core.upkeep.verify import told, verify_snapshot

log = logger(__name__)

_MAX_FINDINGS = 20


@door_to_change
def rollback(target: Target, snapshot: str | None = None) -> Manifest:
    """Commit a new snapshot with the lists and files of an earlier one.

    What was there is retired; the earlier one stays where it is, under its own id, for as long as retention keeps it.

    :param snapshot: the earlier one's id; by default the latest that the current one replaced and that is whole, no
        trial, and not of the same content. Nothing happens if the target is that very snapshot, or was rolled back to
        it already, as by a rollback that died before it could say so.
    :returns: the header of the snapshot that is there now.
    :raises SnapshotExpired: if it is not kept.
    :raises SnapshotDamaged: if it is no longer what its manifest says.
    """
    place = place_of(target)
    place.finish_what_crashed("rollback")
    kept = place.list_kept()
    current = current_of(kept)
    if current and snapshot is not None and snapshot in (current.manifest.snapshot, current.manifest.restored):
        log.info("%s is at snapshot %s already; nothing is done", place.name, snapshot)
        return current.manifest
    retired = [one for one in in_order(kept) if not one.is_current]
    chosen = _open_named(place, retired, snapshot) if snapshot else _open_latest(place, retired, current)
    with closing(chosen), upkeep_claim(place, "rollback", chosen.manifest.stage) as claim:
        return restore(claim, "rollback", chosen, lambda _: chosen)


def _open_named(place: Place, retired: list[Kept], snapshot: str) -> Snapshot:
    for kept in retired:
        if kept.manifest.snapshot == snapshot:
            return _open_whole(kept)
    raise SnapshotExpired(_not_kept(place, f"snapshot {snapshot}", retired))


def _open_latest(place: Place, retired: list[Kept], current: Kept | None) -> Snapshot:
    damage: SnapshotDamaged | None = None
    for kept in retired:
        # Of a repair: what it mended. Of two rollbacks in a row: what the first one brought back.
        is_same = current is not None and _origin(kept.manifest) == _origin(current.manifest)
        if is_same or kept.manifest.limit is not None:
            continue
        try:
            return _open_whole(kept)
        except SnapshotDamaged as error:
            log.warning("passed over snapshot %s: it is damaged", kept.manifest.snapshot)
            damage = damage or error
    raise damage or SnapshotExpired(_not_kept(place, "an earlier snapshot", retired))


def _origin(manifest: Manifest) -> str:
    return manifest.restored or manifest.snapshot


def _open_whole(kept: Kept) -> Snapshot:
    """Open a retired snapshot, compared with its manifest by digest.

    :raises SnapshotDamaged: if it is not what its manifest says.
    """
    snapshot = Snapshot(kept.hold())
    try:
        findings = verify_snapshot(snapshot, deep=True).findings
    except BaseException:
        snapshot.close()
        raise
    if findings:
        snapshot.close()
        raise SnapshotDamaged(
            f"the retired snapshot {kept.name!r} is not what its manifest says; choose another one",
            first_few(findings, _MAX_FINDINGS, told).findings(),
        )
    return snapshot


def _not_kept(place: Place, wanted: str, retired: list[Kept]) -> str:
    names = ", ".join(kept.manifest.snapshot for kept in retired) or "none"
    return f"{wanted} of {place.name!r} is not kept; kept are: {names}"
