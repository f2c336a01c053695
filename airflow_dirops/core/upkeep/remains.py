"""What is left of a target that has no snapshot, for whoever says that there is none."""

from __future__ import annotations

from airflow_dirops.core.places import place_of
from airflow_dirops.core.upkeep.door import Target


def what_is_left(target: Target) -> str:
    """What to look at or to do next, as the end of a message; empty where no stage has been at work."""
    return place_of(target).remains()


def has_remains(target: Target) -> bool:
    """Whether anything was committed or is left, and not only a stage has come that was skipped."""
    return place_of(target).has_remains()


def is_tried(target: Target) -> bool:
    """Whether a try has begun that is not committed, however far it came: told by one listing."""
    return place_of(target).is_tried()
