"""What a stage made, for a test to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.format.lists import SKIPPED
from airflow_dirops.core.report.outcome import Outcome
from airflow_dirops.core.snapshot.contents import iter_list
from airflow_dirops.core.snapshot.opening import open_snapshot
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.upkeep.failures import FailedInput, list_failures


@dataclass(frozen=True)
class Made:
    """What a stage made, and how its run ended.

    :param outcome: what the stage returned.
    :param codec: its codec, for values that only a codec of the test's own can read.
    :param plan: what the run was going to do with each input, by path: ``new``, ``changed``, ``carried`` and the others
        that ``iter_plan`` says. Empty for a stage of a DAG.
    """

    outcome: Outcome
    codec: str | Codec
    plan: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> Path:
        """The directory that readers see."""
        return Path(self.outcome.target)

    def open(self) -> Snapshot:
        """The snapshot that this run left, also after a later one."""
        return open_snapshot(self.outcome.to_dict(), codec=self.codec)

    @property
    def values(self) -> dict[str, Any]:
        """All values by key, in memory at once."""
        if self.outcome.snapshot is None:
            return {}
        with self.open() as snapshot:
            return {record.key: record.value for record in snapshot}

    @property
    def skipped(self) -> list[str]:
        """The paths of inputs that gave nothing."""
        if self.outcome.snapshot is None:
            return []
        with self.open() as snapshot:
            return [line.path for line in iter_list(snapshot.held, SKIPPED)]

    @property
    def quarantined(self) -> dict[str, FailedInput]:
        """The inputs that failed and were set aside, by path; each with ``error``, ``message`` and ``traceback``."""
        if self.outcome.snapshot is None:
            return {}
        return {failed.path: failed for failed in list_failures(self.target).inputs}
