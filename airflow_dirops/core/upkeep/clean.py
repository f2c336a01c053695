"""Remove what nobody needs any more."""

from __future__ import annotations

from airflow_dirops.core.place.place import Cleaned as Cleaned
from airflow_dirops.core.places import place_of
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.core.upkeep.door import Target, door_to_change


@door_to_change
def clean(target: Target, retention: Retention | None = None) -> Cleaned:
    """Remove orphans and expired snapshots.

    Never a live attempt, the current snapshot, one that is read, or anything that no stage wrote. What cannot be
    removed is warned of, and stays.
    """
    return place_of(target).clean(retention or Retention())
