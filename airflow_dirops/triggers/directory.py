"""Wait until a bare directory is complete, without occupying a worker."""

from __future__ import annotations

from airflow_dirops.triggers.folder import Folder
from airflow_dirops.triggers.waiting import WaitingTrigger


class DirectoryTrigger(WaitingTrigger):
    """Fires once a bare directory is complete, or once it is clear that it never can be.

    ``conditions`` are the fields of :class:`~airflow_dirops.triggers.folder.Folder`; the other arguments are those of
    :class:`~airflow_dirops.triggers.waiting.WaitingTrigger`.
    """

    def awaited(self) -> Folder:
        """What is asked of the directory."""
        return Folder(**self.conditions)
