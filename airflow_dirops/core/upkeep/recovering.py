"""Finish what a crash cut off, so that the snapshots lie where they belong."""

from __future__ import annotations

from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.recovery import finish_swap, take_dead


def finish_what_crashed(control: ControlDirectory, who: str) -> None:
    """Roll a cut-off swap forward, and keep what dead attempts swapped out."""
    if not control.path.is_dir():
        return
    with control.locked(who):
        finish_swap(control)
        for attempt in take_dead(control, lambda *_: None):
            attempt.lock.release()
