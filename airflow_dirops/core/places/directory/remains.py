"""What is left of a target that is not there: a try that committed nothing, or snapshots that can be brought back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from airflow_dirops.core.errors import DiropsError, ManifestMissing
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.messages.counted import counted
from airflow_dirops.core.messages.first_few import first_few
from airflow_dirops.core.place.place import FailedInTry, FailedTry
from airflow_dirops.core.places.directory.areas import list_attempts
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.header import snapshot_in
from airflow_dirops.core.places.directory.on_hold import list_on_hold
from airflow_dirops.core.places.directory.preflight import last_changed
from airflow_dirops.core.places.directory.retention import list_retired
from airflow_dirops.core.rules.publishing import is_open
from airflow_dirops.core.staging.journal import read_journal

_MAX_NAMED = 3


def newest_failed_try(control: ControlDirectory, newer_than: str = "") -> FailedTry | None:
    """The newest try with inputs that failed: its id, and those, in the order in which they did.

    :param newer_than: the id of an attempt; older ones do not count.
    """
    for attempt, areas in reversed(list_attempts(control.attempts)):
        if attempt <= newer_than:
            break
        failed = (
            FailedInTry(line.input, line.failure)
            for area in areas
            for line in read_journal(area)
            if line.failure is not None
        )
        if first := next(failed, None):
            return FailedTry(attempt, chain([first], failed))
    return None


def what_is_left(target: str | os.PathLike[str]) -> str:
    """What to look at or to do next, as the end of a message that says that there is no snapshot.

    :param target: its path. Nothing is said where no stage has been at work.
    """
    control = ControlDirectory(Path(os.path.realpath(target)))
    with suppress(DiropsError, OSError):
        if (adoption := control.read_adoption()) and adoption.is_for(None, last_changed(control.target)):
            return f"; {adoption}"
    with suppress(DiropsError, OSError):
        if held := [each for each in list_on_hold(control) if is_open(each.hold.until, time.time())]:
            which = f"snapshot {held[0].hold.snapshot} is" if len(held) == 1 else f"{len(held)} snapshots are"
            return f"; {which} held, and waits for somebody to publish it: {dirops_command('publish', target)}"
    with suppress(DiropsError, OSError):
        if found := newest_failed_try(control):
            return f"; the last try committed nothing: {_described(found.inputs)}: {dirops_command('failures', target)}"
    with suppress(DiropsError, OSError):
        if kept := sum(snapshot_in(tree) is not None for tree in list_retired(control)):
            return f"; {kept} that it had are kept: {dirops_command('rollback', target)}"
    with suppress(DiropsError, OSError):
        if list_attempts(control.attempts):
            return "; a try at it has begun, and committed nothing: run the stage again, it goes on from there"
    with suppress(DiropsError):
        if control.path.is_dir() and control.holds_nothing():
            return (
                "; a stage has been here and published nothing, as one does that is skipped; with empty='skip', what "
                "reads this is skipped as well"
            )
    return ""


def with_what_is_left(error: ManifestMissing, target: str | os.PathLike[str]) -> ManifestMissing:
    """The same error, that says as well what is left of the target."""
    left = what_is_left(target)
    return error if str(error).endswith(left) else ManifestMissing(f"{error}{left}")


def _described(failed: Iterator[FailedInTry]) -> str:
    few = first_few(failed, _MAX_NAMED, lambda one: f"{one.input.path!r} ({one.failure.error})")
    return f"{counted(few.count, 'input')} failed, {few.phrase()}, listed with tracebacks by"
