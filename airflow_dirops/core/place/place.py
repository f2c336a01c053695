"""Where a target is kept, with all that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from typing import BinaryIO, NamedTuple, Protocol

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.control import Adoption, Owner, Rejection
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.journal import Failure
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.format.triage import Decision
from airflow_dirops.core.place.claim import Claim, Terms
from airflow_dirops.core.place.held import Held, Kept, OnHold
from airflow_dirops.core.stage.retention import Retention


class Place(Protocol):
    """Where one target is kept, with all that belongs to it: a directory, or a prefix of an object store."""

    @property
    def name(self) -> str:
        """Its path or URL, for people and for lineage."""

    def check(self, sources: Iterable[str]) -> None:
        """See, without writing anything, that a stage may write here.

        :param sources: what the stage reads, by path or URL.
        :raises TargetRefused: with every reason found.
        """

    def look(self, terms: Terms) -> Held | None:
        """What a claim on these terms would replace, held open.

        :raises TargetRefused: if it would be refused.
        """

    def claim(self, attempt: Attempt, terms: Terms) -> Claim:
        """Claim the target for an attempt.

        :raises AttemptSuperseded: if a newer try of the same run has claimed it already.
        :raises TargetRefused: if what is there is not ours, or another stage's, or another mapped instance's of
            this very run.
        :raises TargetBusy: if somebody else keeps it locked.
        """

    def resume(self, attempt: str, terms: Terms, *, shard: int | None = None, host: str | None = None) -> Claim:
        """Go on with a claim that another process has left open, in a staging area of its own; several may at once.

        What the others have finished is taken with :meth:`Staging.reuse`.

        :param attempt: the id of the attempt that made the claim.
        :param terms: those of the claim; only ``stage`` and ``fingerprint`` are compared.
        :param shard: which part of the work this process does, for :attr:`Leftover.shard` of those that come after it.
        :param host: which machine made the claim, if that is known: names may come late from another one.
        :raises ArgumentRefused: if that is no id.
        :raises PlanNotSeen: if nothing of the target is seen on this machine.
        :raises AttemptSuperseded: if a newer try of the same run has claimed the target since, or the claim has been
            committed or given up. If the target's header names the attempt, that commit stands.
        :raises TargetRefused: if it was made by another stage, or for other code.
        :raises SnapshotExpired: if somebody has removed its base.
        :raises TargetBusy: if somebody else keeps the target locked.
        """

    def hold(self, snapshot: str | None = None) -> Held:
        """The current snapshot, or the one of an id, held open.

        :raises ManifestMissing: if no stage has committed there.
        :raises SnapshotExpired: if that one is not kept any more.
        """

    def read_header(self) -> Manifest:
        """The header of the current snapshot, and nothing else.

        :raises ManifestMissing: if no stage has committed there.
        """

    def permits_removal(self, snapshot: str) -> bool:
        """Whether somebody has let the run through, once, that drops many results of this snapshot."""

    def accept_removal(self, snapshot: str) -> None:
        """Let it through."""

    def adopt(self, stage: str | None) -> Adoption:
        """Let a stage replace what is here and not its own, once; None for whichever stage comes first.

        :raises ArgumentRefused: if nothing is in the way of it.
        :raises TargetRefused: if what is here must stay.
        """

    def adoption(self) -> Adoption | None:
        """The permission to replace what is here now, if there is one."""

    def forget_accepted_removal(self) -> None:
        """After the commit that needed it."""

    def remains(self) -> str:
        """What is left where there is no snapshot, as the end of a message; empty where no stage has been at work."""

    def has_remains(self) -> bool:
        """Whether anything was committed or is left; True also where that cannot be told.

        Not where stages have come and had nothing to publish, as one that was skipped.
        """

    def is_tried(self) -> bool:
        """Whether a try has begun that is not committed, however far it came: told by one listing."""

    def list_kept(self) -> Sequence[Kept]:
        """The snapshots whose header can be read: the current one first, then the latest retired first."""

    def list_held(self) -> Sequence[OnHold]:
        """The sealed snapshots that wait for a decision, the latest first; also those whose time is over by now, as
        long as they are there.
        """

    def reject(self, rejection: Rejection) -> None:
        """Note that a held snapshot was rejected, and hold it no more; its finished files are a dead attempt's then.

        :raises NotHeld: if it is not held.
        """

    def rejections(self) -> Sequence[Rejection]:
        """The latest of them, in the order in which they were decided."""

    def finish_what_crashed(self, who: str) -> None:
        """Roll a commit forward that a crash cut off, and keep what it replaced.

        :param who: says to others who holds the lock.
        """

    def newest_failed_try(self, newer_than: str = "") -> FailedTry | None:
        """The newest try with inputs that failed.

        :param newer_than: the id of an attempt; older ones do not count.
        """

    def triage(self) -> Sequence[Decision]:
        """What people have decided about inputs that failed."""

    def amend_triage(self, amend: Callable[[Sequence[Decision]], Iterable[Decision]]) -> Sequence[Decision]:
        """Replace that, in one step: nobody else does meanwhile. Replacements that none of it names any more go.

        :param amend: gets what was decided before, and returns what is now.
        """

    def keep_replacement(self, file: BinaryIO) -> str:
        """Keep a copy of a file that somebody gives; to be named by a decision, by the digest that is returned."""

    def open_replacement(self, digest: str) -> BufferedReader:
        """Open it.

        :raises SnapshotDamaged: if it is gone.
        """

    def list_attempts(self) -> Sequence[AttemptSeen]:
        """Who is, or was, at work here and has not committed, the latest first; looked at, and not touched."""

    def clean(self, retention: Retention) -> Cleaned:
        """Remove orphans and expired snapshots.

        Never a live attempt, the current snapshot, one that is read, or anything that no stage wrote.
        """


class FoundTarget(NamedTuple):
    """A target that lies below a folder, or a folder that cannot be looked into.

    :param path: of either.
    :param error: why it cannot be looked into.
    """

    path: str
    error: DiropsError | None = None


class AttemptSeen(NamedTuple):
    """An attempt, looked at from outside.

    :param owner: who has made it; None where it died before it could say so.
    :param is_at_work: a process of it is, on this machine or, as far as can be told, on another one.
    :param is_open: none is, but others may go on with its claim.
    :param last_work: when it was last seen at work, by the clock of the place, in seconds since the epoch.
    :param expected: how many inputs it goes through; None before it has planned.
    :param lines: how many it is through with; of these so many were carried over, gave nothing, and failed.
    """

    attempt: str
    owner: Owner | None
    is_at_work: bool
    is_open: bool
    last_work: float
    expected: int | None
    lines: int
    carried: int
    skipped: int
    quarantined: int


class FailedInTry(NamedTuple):
    """An input that failed in a try that was not committed."""

    input: Input
    failure: Failure


class FailedTry(NamedTuple):
    """A try that was not committed, and the inputs that failed in it, in the order in which they did."""

    attempt: str
    inputs: Iterator[FailedInTry]


@dataclass(frozen=True)
class Cleaned:
    """What a clean-up did.

    :param orphans: attempts whose staging area it removed.
    :param snapshots: those that it removed, by id.
    :param unmanaged: replaced directories that no stage wrote, by their names in ``retired/``; they stay.
    :param foreign: what somebody put beside the target; it stays too.
    :param left: attempts that may be at work, and what could not be looked at or removed, in words; they stay as well.
    """

    orphans: list[str]
    snapshots: list[str]
    unmanaged: list[str]
    foreign: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
