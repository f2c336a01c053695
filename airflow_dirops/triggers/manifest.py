"""Wait for a manifest without occupying a worker."""

from __future__ import annotations

from airflow_dirops.triggers.conditions import Conditions
from airflow_dirops.triggers.waiting import WaitingTrigger


class ManifestTrigger(WaitingTrigger):
    """Fires once a target's manifest fulfils its conditions, or once it is clear that it cannot be read.

    ``conditions`` are the fields of :class:`~airflow_dirops.triggers.conditions.Conditions`; the other arguments are
    those of :class:`~airflow_dirops.triggers.waiting.WaitingTrigger`.
    """

    def awaited(self) -> Conditions:
        """What is asked of the target's manifest."""
        return Conditions(**self.conditions)
