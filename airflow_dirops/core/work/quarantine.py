"""What a failed input means for its stage: the end, or a line in the quarantine, as long as they are not too many.

Too many are no reason to stop at once: who has to mend them wants to see all, and not one a night.
"""

from __future__ import annotations

import os

from msgspec.structs import replace

from airflow_dirops.core.errors import InputError, SourceChanged, TooManyFailures
from airflow_dirops.core.format.journal import JournalLine
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.messages.grouping import Groups
from airflow_dirops.core.messages.shown import logger, shown
from airflow_dirops.core.place.staging import Staging
from airflow_dirops.core.stage.stage import Stage

log = logger(__name__)

MOST_FAILURES = 1_000
"""So many are enough to see what is wrong; then a stage stops, if they are more than it allows."""

_MAX_LOGGED = 1_000


class Quarantine:
    """Takes failed inputs; each is in the attempt's journal from then on, whatever becomes of the attempt.

    :param total: how many inputs there are, for a budget that is a percentage.
    """

    def __init__(self, stage: Stage, staging: Staging, total: int) -> None:
        self._stage = stage
        self._staging = staging
        self._total = total
        self._allowed = stage.allowed_failures(total)
        self._failures = 0
        self._groups = Groups()

    @property
    def is_over(self) -> bool:
        """Whether more failed than is allowed."""
        return self._failures > self._allowed

    def admit(self, line: JournalLine, error: InputError | SourceChanged, tries: int, done: int) -> None:
        """Journal a failed input, and go on or end there.

        :param line: the input's, with the failure.
        :param done: how many inputs are through, without this one.
        :raises InputError: the error itself, if ``on_error="fail"``.
        :raises TooManyFailures: if more failed than is allowed, and so many that the rest would tell nothing new.
        """
        if line.failure is not None:
            line = replace(line, failure=replace(line.failure, tries=tries))
            self._staging.note(line)
        if self._stage.on_error == "fail" or line.failure is None:
            raise error
        self._failures += 1
        self._groups.add(line.input.path, line.failure)
        # As text: a handler that keeps the error would keep the value that it was raised over.
        log.warning("quarantined: %s", shown(error, _MAX_LOGGED))
        if self.is_over and self._failures >= MOST_FAILURES:
            raise self._too_many(self._total - done - 1)

    def settle(self) -> None:
        """Every input has been tried.

        :raises TooManyFailures: if more failed than is allowed.
        """
        if self.is_over:
            raise self._too_many(0)

    def _too_many(self, untried: int) -> TooManyFailures:
        return too_many_failures(self._stage, self._failures, self._total, self._groups, untried)


def too_many_failures(stage: Stage, failures: int, total: int, groups: Groups, untried: int = 0) -> TooManyFailures:
    """The error for more failures than a stage allows.

    :param total: how many inputs there are.
    :param groups: the failures.
    :param untried: inputs that were not worked on.
    """
    allowed, target = stage.allowed_failures(total), os.path.abspath(stage.target)
    stopped = f"; it stopped there, and {untried:,} inputs were not tried" if untried > 0 else ""
    what = f"{failures:,} of {total:,} inputs of stage {stage.name} failed"
    budget, more = f", and max_failures={stage.max_failures!r} allows {allowed:,}", "set max_failures= higher"
    if stage.max_failures is None:  # which allows any number but all
        what = f"every input of stage {stage.name} failed, {total:,} of {total:,}"
        budget, more = "", "set max_failures='100%' to commit even that"
    return TooManyFailures(
        f"{what}{budget}{stopped}. Nothing was committed; what is finished is kept for the next try. "
        f"Each with its traceback: {dirops_command('failures', target)}. Mend the files or the function, or "
        f"{more}, for one run as 'How many may fail' in the trigger form",
        groups.described(),
    )
