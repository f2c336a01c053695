"""How long replaced snapshots are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused

KEEP_SNAPSHOTS, KEEP_HOURS = 1, 24.0
"""What is kept where nobody says otherwise."""


@dataclass(frozen=True)
class Retention:
    """How long replaced snapshots are kept: both bounds hold.

    :param keep_snapshots: at least so many; None is 1, or what Airflow's configuration says where that is read.
    :param keep_hours: at least for so long; None is 24, or what Airflow's configuration says where that is read.
    :raises ArgumentRefused: if one of them is no such number.
    """

    keep_snapshots: int | None = None
    keep_hours: float | None = None

    def __post_init__(self) -> None:
        count, hours = self.keep_snapshots, self.keep_hours
        if not _is_bound(count, int):
            raise ArgumentRefused(f"keep_snapshots={count!r} is no count of snapshots; give one, such as 3, or 0")
        if not _is_bound(hours, int | float):
            raise ArgumentRefused(f"keep_hours={hours!r} is no number of hours; give one, such as 48, or 0")

    def completed(self, setting: Callable[[str, float], Any]) -> Retention:
        """Both bounds as numbers.

        :param setting: gives what is configured for a bound that was left open, by its name and its default,
            whose type it has.
        """
        count, hours = self.keep_snapshots, self.keep_hours
        return Retention(
            setting("keep_snapshots", KEEP_SNAPSHOTS) if count is None else count,
            setting("keep_hours", KEEP_HOURS) if hours is None else hours,
        )


def check_retention(given: object) -> None:
    """Refuse what is no retention.

    :raises ArgumentRefused: if it is no retention.
    """
    if not isinstance(given, Retention):
        raise ArgumentRefused(
            f"retention={given!r} is no Retention; write it as in retention=Retention(keep_snapshots=3), "
            "which airflow_dirops has"
        )


def _is_bound(value: Any, kind: Any) -> bool:
    return value is None or (isinstance(value, kind) and not isinstance(value, bool) and value >= 0)
