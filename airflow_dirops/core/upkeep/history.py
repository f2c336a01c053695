"""Which snapshots of a target are kept, and in which order they replaced each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_dirops.core.errors import ManifestMissing
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.place.held import Kept
from airflow_dirops.core.places import place_of
from airflow_dirops.core.upkeep.door import Target, door


@door
def list_snapshots(target: Target) -> list[Kept]:
    """The snapshots of a target that are still kept, the current one first, then by who replaced whom.

    :raises ManifestMissing: if no stage ever committed there.
    """
    kept = in_order(place_of(target).list_kept())
    if not kept:
        raise ManifestMissing(f"there is no snapshot at {str(target)!r}, and none is kept")
    return kept


def in_order(kept: Sequence[Kept]) -> list[Kept]:
    """The current one first, then what it replaced, and so on."""
    current = current_of(kept)
    retired = [one for one in kept if not one.is_current]
    return [*([current] if current else []), *in_order_of_replacement(current.manifest if current else None, retired)]


def current_of(kept: Sequence[Kept]) -> Kept | None:
    """The snapshot at the target, if its header can be read."""
    return next((one for one in kept if one.is_current), None)


def in_order_of_replacement(current: Manifest | None, retired: Sequence[Kept]) -> list[Kept]:
    """What the current snapshot replaced, then what that one replaced, and so on: clocks decide only where that ends.

    :param current: what is there; None where it cannot be read.
    :param retired: in the order in which they are taken where nothing kept tells more.
    """
    waiting = {kept.manifest.snapshot: kept for kept in retired}
    return list(_walk(current.base if current else None, waiting))


def _walk(next_id: str | None, waiting: dict[str, Kept]) -> Iterator[Kept]:
    while waiting:
        if next_id not in waiting:
            replaced = {kept.manifest.base for kept in waiting.values()}
            next_id = next((kept for kept in waiting if kept not in replaced), next(iter(waiting)))
        kept = waiting.pop(next_id)
        yield kept
        next_id = kept.manifest.base
