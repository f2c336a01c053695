"""Before long work: is there room for what will be made, can every input be opened, and are some of them empty?"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from itertools import groupby
from operator import itemgetter

from airflow_dirops.core.errors import (
    DanglingLink,
    DiropsError,
    InputError,
    ManifestDamaged,
    SourceChanged,
    StorageError,
)
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.planned import Planned
from airflow_dirops.core.messages.first_few import FirstFew
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.plan.context import RunContext
from airflow_dirops.core.plan.plan import Plan, Survey
from airflow_dirops.core.plan.recorded import recorded_inputs
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.source.source import Fault

log = logger(__name__)

_MAX_FINDINGS = 20
_MAX_EMPTY = 5


class Readiness:
    """Looks at the inputs that will be computed, one after the other, and speaks up before the first of them is."""

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._stage = run.stage
        self._source = run.source
        self._survey: Survey | None = None
        self._bytes = 0
        self._empty: FirstFew[str] = FirstFew(_MAX_EMPTY, repr)
        self._unreadable = FirstFew(_MAX_FINDINGS, _located)
        self._dangling = FirstFew(_MAX_FINDINGS, _located)
        self._gone = FirstFew(_MAX_FINDINGS, _located)
        self._faults = {"unreadable": self._unreadable, "dangling": self._dangling, "gone": self._gone}

    def survey(self, plan: Plan, note: Callable[[Planned], None] | None = None) -> Survey:
        """Survey a plan, and look at the inputs that it will compute.

        :param note: is told of every input too.
        """

        self._survey = plan.survey(_both(self._note, note) if note else self._note)
        return self._survey

    def look_at(self, inputs: Iterable[Input]) -> None:
        """Look at inputs that all become one thing, whose size nothing tells."""
        for item in inputs:
            self._look(item)

    def _note(self, planned: Planned) -> None:
        if planned.reason is not None and planned.dead is None and planned.decision is None:
            self._look(planned.input)

    def _look(self, item: Input) -> None:
        for part in item.parts or (item,):
            self._bytes += part.size
            if fault := self._source.fault_of(part):
                self._faults[fault.kind].add(fault)
            elif not part.size:
                self._empty.add(part.path)

    def check(self, free: int | None) -> None:
        """Refuse to begin what cannot end well: inputs that cannot be opened, or too little room.

        :param free: bytes that are left where everything is staged; None where nothing tells.
        :raises InputError: with the inputs that cannot be opened, where one failure ends the stage.
        :raises DanglingLink: with those that are links to what is away, likewise.
        :raises SourceChanged: with those that went away since they were listed, likewise.
        :raises StorageError: if what will be made has no room.
        """
        if (fault := self.fault) and self._stage.on_error == "fail":
            raise fault
        if self._dangling.count:
            log.warning("%d inputs are links that lead nowhere: %s", self._dangling.count, self._dangling.phrase())
        if self._empty.count:
            log.warning("%d inputs are empty: %s", self._empty.count, self._empty.phrase())
        if free is not None:
            self._check_room(free)

    @property
    def fault(self) -> DiropsError | None:
        """What is wrong with inputs that cannot be opened, if there are any."""
        if self._unreadable.count:
            return InputError(
                f"user {os.geteuid()} may not open {self._unreadable.count} of the inputs, so nothing was computed; "
                "give that user permission to read them, narrow the pattern, or set on_error='quarantine'",
                self._unreadable.findings(),
            )
        if self._dangling.count:
            return DanglingLink(
                f"{self._dangling.count} of the inputs are links that lead nowhere, so nothing was computed; mount or "
                "fetch what they point to, remove the links, narrow the pattern, or set on_error='quarantine'",
                self._dangling.findings(),
            )
        if self._gone.count:
            return SourceChanged(
                f"{self._gone.count} of the inputs went away since they were listed, so nothing was computed; run "
                "again when their writer has finished",
                self._gone.findings(),
            )
        return None

    def _check_room(self, free: int) -> None:
        directory = os.path.dirname(os.path.realpath(self._stage.target))
        growth = self._growth()
        if growth is None:
            if free < self._bytes:
                log.warning("%s are free in %s, less than the inputs' %s", _mb(free), directory, _mb(self._bytes))
        elif free < (needed := int(self._bytes * growth)):
            raise StorageError(
                f"the files that will be made take about {_mb(needed)}, going by the snapshot that is there, and "
                f"{_mb(free)} are free: staging in",
                directory,
                OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            )

    def _growth(self) -> float | None:
        """How many bytes a byte of input became, or None where nothing tells."""
        base, survey = self._run.base, self._survey
        if not self._bytes or survey is None or base is None or base.manifest.stage != self._stage.name:
            return None
        try:
            read = self._bytes_of(base) if survey.bytes_before is None else survey.bytes_before
        except ManifestDamaged:
            # A run that redoes everything is how a damaged list is mended.
            return None
        return base.manifest.bytes / read if read else None

    def _bytes_of(self, base: Snapshot) -> int:
        recorded = recorded_inputs(base, self._run.sorter("sized"))
        return sum(next(group)[1].input.size for _, group in groupby(recorded, itemgetter(0)))


def _both(one: Callable[[Planned], None], other: Callable[[Planned], None]) -> Callable[[Planned], None]:
    def tell(planned: Planned) -> None:
        one(planned)
        other(planned)

    return tell


def _located(fault: Fault) -> str:
    return repr(fault.path) if fault.leads_to is None else f"{fault.path!r} points to {fault.leads_to!r}"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
