"""Results that would go because their inputs did: refused where they are many, unless somebody lets it through once.

A share that is not mounted, or a listing that was cut short, looks like a source whose files were removed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from airflow_dirops.core.errors import StorageError, TooManyRemoved
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.plan.context import RunContext
from airflow_dirops.core.plan.plan import Loss
from airflow_dirops.core.stage.policies import removal_bound
from airflow_dirops.core.stage.stage import Stage

log = logger(__name__)


class LossGuard:
    """Judges how much of the base a run would lose: before work, and again what it has made.

    :param base: what would be replaced.
    :param place: where the target is kept, and what somebody has let through.
    :param read: the directories that are read, for messages.
    """

    def __init__(self, stage: Stage, base: Manifest | None, place: Place, read: Sequence[str]) -> None:
        self._stage = stage
        self._place = place
        self._read = read
        self._base = base if base is not None and _counts(stage, base) else None
        self._has_told = False
        self.was_permitted = False
        """Whether something went through for which somebody had given a permission."""

    @classmethod
    def of(cls, run: RunContext, place: Place) -> LossGuard:
        base = run.base.manifest if run.base is not None else None
        return cls(run.stage, base, place, [os.fspath(single.path) for single in run.source.described])

    def check_planned(self, loss: Loss) -> None:
        """Refuse a plan by which too many results would go.

        :param loss: what would go, going by the plan.
        :raises TooManyRemoved: if that is too much, and nobody has let it through.
        """
        if reason := self.objection(loss):
            raise TooManyRemoved(reason)

    def check_sealed(self, manifest: Manifest) -> None:
        """Refuse a snapshot that has too few of the base's results.

        :param manifest: what was made.
        :raises TooManyRemoved: if it has too few results, and nobody has let it through.
        """
        if self._base is None:
            return
        before, now = self._base.counts.entries, manifest.counts.entries
        if reason := self.objection(Loss(before - now, before, "results"), "have no match in what this run made"):
            raise TooManyRemoved(reason)

    def forget_permission(self) -> None:
        """After a commit: it was for once, and names a snapshot that was replaced."""
        if self.was_permitted:
            try:
                self._place.forget_accepted_removal()
            except StorageError as error:
                log.warning("%s", error)

    def objection(self, loss: Loss, how: str = "would go") -> str | None:
        """Why a run that loses so much is refused, or None if it is not."""
        lost, of, what = loss
        if self._base is None or lost <= removal_bound(self._stage.max_removed, of):
            self._tell_of_what_is_allowed(loss, how)
            return None
        if self._place.permits_removal(self._base.snapshot):
            if not self.was_permitted:
                log.warning("%d of %d %s %s; somebody has let that through", lost, of, what, how)
            self.was_permitted = True
            return None
        sources = " and ".join(map(repr, self._read))
        bound = "half of them, by default" if self._stage.max_removed is None else repr(self._stage.max_removed)
        return (
            f"{lost} of the {of} {what} of the target {self._place.name!r} {how}, and max_removed "
            f"allows {bound}; nothing was published, and the target is as it was. Look at the source, {sources}: a "
            "share may not be mounted, a listing cut short, a pattern or function changed. If they are meant to go, "
            f"let it through once: trigger the DAG again{self._for_partition()} with 'Accept removals' on in the form, "
            "call it with max_removed='100%', or run: "
            f"{dirops_command('accept-removal', self._place.name)}"
        )

    def _for_partition(self) -> str:
        """The form, left empty, is for the last partition, which may be another one."""
        return f", for {self._stage.partition!r}," if self._stage.partition else ""

    def _tell_of_what_is_allowed(self, loss: Loss, how: str) -> None:
        """The form or an argument lets through what is refused by default: once, that goes into the log."""
        lost, of, what = loss
        if self._base is None or self._has_told or lost <= removal_bound(None, of):
            return
        self._has_told = True
        log.warning("%d of %d %s %s; max_removed=%r allows that", lost, of, what, how, self._stage.max_removed)


def _counts(stage: Stage, base: Manifest) -> bool:
    """Whether losing results of this base is a loss: a trial is small by design, another stage's are replaced."""
    if stage.limit is not None:
        return False
    return base.stage == stage.name or stage.max_removed is not None
