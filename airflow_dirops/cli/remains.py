"""What is left of a target that is not there: a try that failed, or snapshots that can be brought back."""

from __future__ import annotations

from contextlib import suppress

from airflow_dirops.core import upkeep
from airflow_dirops.core.commands import dirops_command
from airflow_dirops.core.errors import DiropsError


def what_is_left(target: str) -> str:
    """What to look at or to do next, as the end of a message that says that there is no snapshot.

    :param target: its path.
    """
    with suppress(DiropsError):
        if failed := len(upkeep.list_failures(target).inputs):
            return (
                f"; the last try failed, with {failed} input{'s' * (failed > 1)}: {dirops_command('failures', target)}"
            )
    with suppress(DiropsError):
        if kept := upkeep.list_snapshots(target):
            return f"; {len(kept)} that it had are kept: {dirops_command('rollback', target)}"
    return "; a try at it has begun, and committed nothing: run the stage again, it goes on from there"
