"""What a failed input means for its stage: the end, or a line in the quarantine, as long as they are not too many."""

from __future__ import annotations

from msgspec.structs import replace

from airflow_dirops.core.errors import InputError, SourceChanged, TooManyFailures
from airflow_dirops.core.journal import JournalLine
from airflow_dirops.core.shown import logger
from airflow_dirops.core.stage import Stage
from airflow_dirops.core.staging import StagingArea

log = logger(__name__)


class Quarantine:
    """Takes failed inputs.

    :param total: how many inputs there are, for a budget that is a percentage.
    """

    def __init__(self, stage: Stage, staging: StagingArea, total: int) -> None:
        self._stage = stage
        self._staging = staging
        self._total = total
        self._allowed = stage.allowed_failures(total)
        self._failures = 0

    def take(self, line: JournalLine, error: InputError | SourceChanged, tries: int = 1) -> None:
        """
        :param line: the input's, with the failure.
        :raises InputError: the error itself, if ``on_error="fail"``.
        :raises TooManyFailures: if more failed than is allowed.
        """
        if self._stage.on_error == "fail" or line.failure is None:
            raise error
        self._failures += 1
        # As text: a handler that keeps the error would keep the value that it was raised over.
        log.warning("quarantined: %s", str(error))
        self._staging.note(replace(line, failure=replace(line.failure, tries=tries)))
        if self._failures > self._allowed:
            raise TooManyFailures(
                f"{self._failures} inputs of stage {self._stage.name} failed, and max_failures="
                f"{self._stage.max_failures!r} of {self._total} allows {self._allowed}; the last one: {error}"
            ) from error
