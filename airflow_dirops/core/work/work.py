"""What a run has to do: one input after the other, or all of them as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.lists import InputsSeen
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place.claim import Claim
from airflow_dirops.core.place.staging import Staging
from airflow_dirops.core.plan.context import RunContext
from airflow_dirops.core.plan.draw_up import may_accept_code
from airflow_dirops.core.plan.plan import Loss, PlannedInput
from airflow_dirops.core.plan.readiness import Readiness
from airflow_dirops.core.report.changes import Change, why_code
from airflow_dirops.core.report.outcome import Reporter
from airflow_dirops.core.work.aggregate import Aggregation
from airflow_dirops.core.work.steps import EachInput

log = logger(__name__)


class Work(Protocol):
    """Drawn up from a run's context, before anything is staged."""

    @property
    def total(self) -> int:
        """How many inputs there are."""

    @property
    def inputs(self) -> Iterable[Input]:
        """They themselves, in order, as often as asked."""

    @property
    def seen(self) -> InputsSeen | None:
        """All of them as one, where they become one thing."""

    @property
    def has_work(self) -> bool:
        """Whether a new snapshot would differ from the base, as far as can be told before the work."""

    @property
    def loss(self) -> Loss:
        """What of the base would go."""

    def fates(self) -> Iterator[PlannedInput]:
        """What becomes of every input that is or was in the source, in order and one at a time."""

    @property
    def code_changes(self) -> tuple[Change, ...] | None:
        """What of the code has changed, as far as it is known; None if nothing has."""

    @property
    def by_code(self) -> int:
        """How many inputs run for that."""

    def describe(self) -> str:
        """Of how many inputs what will become."""

    def run(self, staging: Staging, reporter: Reporter) -> bool:
        """Do it; returns whether that gave anything new.

        :raises InputError: if an input failed and ``on_error="fail"``.
        :raises KeyRefused: with every record that cannot be named.
        :raises TooManyFailures: if more failed than is allowed.
        """

    def is_same(self, manifest: Manifest) -> bool:
        """Whether what was sealed is what the base holds."""


def log_work(run: RunContext, claim: Claim, work: Work) -> Sequence[Change]:
    """Say what will be done; returns what of the code has changed, where inputs run for that."""
    why = " (this run had committed and was cleared)" if claim.full and not run.stage.redoes_all else ""
    log.info("%d inputs in %s: %s%s", work.total, run.source.path, work.describe(), why)
    if not work.by_code:
        return ()
    changes = work.code_changes or ()
    log.info("%s", why_code(work.by_code, changes, may_be_accepted=may_accept_code(run.stage, claim.base)))
    return changes


def draw_up_work(run: RunContext, readiness: Readiness) -> Work:
    """The work of a run: its inputs one by one, or all as one.

    :param readiness: looks at the inputs that will be computed.
    """
    return Aggregation(run, readiness) if run.is_aggregate else EachInput(run, readiness)
