"""Remove what nobody needs any more."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from airflow_dirops.core.disk.removal import concerns
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory.alive import LeftAlone
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.recovery import describe_left, finish_swap, take_dead
from airflow_dirops.core.places.directory.retention import drop_expired, list_foreign, list_unmanaged
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.core.upkeep.door import Target, control_of, door

log = logger(__name__)


@dataclass(frozen=True)
class Cleaned:
    """What a clean-up did.

    :param orphans: attempts whose staging area it removed.
    :param snapshots: those that it removed, by id.
    :param unmanaged: replaced directories that no stage wrote, by their names in ``retired/``; they stay.
    :param foreign: what somebody put into the control directory; it stays too.
    :param left: attempts that may be at work, in words; they stay as well.
    """

    orphans: list[str]
    snapshots: list[str]
    unmanaged: list[str]
    foreign: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@door
def clean(target: Target, retention: Retention | None = None) -> Cleaned:
    """Remove orphans and expired snapshots; never a live attempt, the current snapshot, one that is read, or anything
    that no stage wrote. What cannot be removed is warned of, and stays.
    """
    control = control_of(target)
    if not control.path.is_dir():
        return Cleaned([], [], [])
    left: list[str] = []
    orphans = _discard_orphans(control, left)
    expired = drop_expired(control, retention or Retention())
    return Cleaned(orphans, expired, list_unmanaged(control), list_foreign(control), left)


def _discard_orphans(control: ControlDirectory, left: list[str]) -> list[str]:
    def note(directory: Path, why: LeftAlone) -> None:
        left.append(describe_left(directory, why))

    orphans = []
    with concerns(log) as found, control.locked("clean"):
        finish_swap(control)
        for attempt in take_dead(control, note):
            orphans.append(attempt.directory.name)
            attempt.discard(found)
            attempt.lock.release()
    return orphans
