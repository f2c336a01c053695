"""The small documents beside a target: who has claimed it, what was under way, what somebody has let through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from airflow_dirops.core.format.members import AreaName, Count, Id, Moment, Number, RetiredName, Seconds, Text
from airflow_dirops.core.format.runs import Attempt, LogicalRun


class FencedRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest claim of one logical run, and the snapshots that its tries committed.

    :param committed: the try of each, of the latest few.
    :param done: the latest of its tries whose snapshot was there until another one replaced it.
    :param began: the ``ti_id`` of its first claim; what is older was another run of the same name, deleted since.
    :param open: another process may go on with this claim, though none is at work on it.
    """

    try_number: Number
    ti_id: Text
    attempt: Id
    committed: dict[Id, Number] = {}
    done: Number = 0
    began: Text = ""
    open: bool = False


class Intent(msgspec.Struct, frozen=True):
    """A two-rename swap under way: the staging area whose tree becomes the target, and where the old one goes."""

    attempt: AreaName
    snapshot: Id
    retired: RetiredName


class AcceptedRemoval(msgspec.Struct, frozen=True):
    """Somebody let the next run drop many results of this snapshot."""

    snapshot: Id


class Adoption(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody let a stage replace what is not its own, once.

    :param stage: which one; None for whichever comes first.
    :param snapshot: the other stage's snapshot that is there; None for a directory that no stage wrote.
    :param changed_ns: of such a directory, when something was last put into it or taken out: it may be replaced as it
        is, and not what anybody makes of it later.
    """

    stage: Text | None = None
    snapshot: Id | None = None
    changed_ns: Number | None = None

    def __str__(self) -> str:
        who = "whichever stage runs next" if self.stage is None else f"stage {self.stage!r}"
        if self.snapshot is None:
            return f"{who} may move this directory aside and take its place, once"
        return f"{who} may replace this snapshot, which is another stage's, once"

    def is_for(self, snapshot: str | None, changed_ns: int | None) -> bool:
        """Whether it is for what is there now.

        :param snapshot: its id; None for a directory that no stage wrote.
        :param changed_ns: when that directory was last changed.
        """
        if snapshot is not None or self.snapshot is not None:
            return self.snapshot == snapshot
        return self.changed_ns is not None and self.changed_ns == changed_ns

    def lets(self, stage: str, snapshot: str | None, changed_ns: int | None = None) -> bool:
        """Whether a stage may replace what is there now, as in :meth:`is_for`."""
        return self.stage in (None, stage) and self.is_for(snapshot, changed_ns)


class Hold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sealed snapshot waits in its staging area until somebody publishes or rejects it.

    :param until: when nobody has, it is dropped; in seconds since the epoch.
    :param may_replace: what else than its stage's own snapshots it may replace, as the stage said.
    """

    snapshot: Id
    until: Seconds
    may_replace: tuple[Literal["unmanaged", "other_stage"], ...] = ()


class Rejection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A held snapshot that somebody did not let through.

    :param created: when it was sealed.
    :param rejected: when that was decided.
    :param dag_id: whose run had made it; empty outside Airflow.
    :param run: of a scheduler, where one did it.
    """

    snapshot: Id
    stage: Text
    created: Moment
    rejected: Moment
    user: Text
    host: Text
    reason: Text
    dag_id: Text = ""
    run: Text = ""


class Expected(msgspec.Struct, frozen=True):
    """How many inputs a process of an attempt has planned, each of which gets a line in its journal."""

    inputs: Count


class OpenClaim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A claim that its process has left open, as whoever goes on with it must know it.

    :param stage: whose it is, and with ``fingerprint`` what its files are made by.
    :param base: the snapshot that was there when the claim was made.
    :param full: everything is made anew.
    :param dimensions: which site, camera and so on the target is for.
    :param replaces_unmanaged: there was a directory that no stage wrote, which it may move aside.
    :param changed_ns: when something was last put into that directory or taken out, where it was let only as it was.
    :param while_at_work: it is open only for as long as a process of it is at work.
    """

    run: LogicalRun
    try_number: Number
    first_try_number: Number
    ti_id: Text
    order: Text = ""
    stage: Text
    fingerprint: Text
    base: Id | None = None
    full: bool = False
    dimensions: dict[Text, Text] = {}
    replaces_unmanaged: bool = False
    changed_ns: Number | None = None
    while_at_work: bool = False

    @classmethod
    def of(
        cls,
        attempt: Attempt,
        *,
        stage: str,
        fingerprint: str,
        base: str | None,
        full: bool,
        dimensions: Mapping[str, str],
        replaces_unmanaged: bool = False,
        changed_ns: int | None = None,
        while_at_work: bool = False,
    ) -> OpenClaim:
        return cls(
            run=attempt.run,
            try_number=attempt.try_number,
            first_try_number=attempt.first_try_number,
            ti_id=attempt.ti_id,
            order=attempt.order,
            stage=stage,
            fingerprint=fingerprint,
            base=base,
            full=full,
            dimensions=dict(dimensions),
            replaces_unmanaged=replaces_unmanaged,
            changed_ns=changed_ns,
            while_at_work=while_at_work,
        )

    def attempt(self, attempt: str) -> Attempt:
        """The attempt that made it.

        :param attempt: its id.
        """
        return Attempt(
            run=self.run,
            try_number=self.try_number,
            first_try_number=self.first_try_number,
            ti_id=self.ti_id,
            order=self.order,
            id=attempt,
        )


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """A process of an attempt, and what its finished files were made with and for.

    :param run: which try of which run it is.
    :param full: whether it made everything anew.
    :param shard: which part of the work it does, if it does a part.
    """

    host: Text
    boot: Text
    process: Number
    fingerprint: Text
    run: LogicalRun | None = None
    try_number: Number = 0
    ti_id: Text = ""
    full: bool = False
    shard: Count | None = None

    def __str__(self) -> str:
        return f"{self.run}, try {self.try_number}" if self.run else f"process {self.process} on {self.host}"
