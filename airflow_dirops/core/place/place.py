"""Where a target is kept, with all that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from airflow_dirops.core.format.control import Adoption
from airflow_dirops.core.format.journal import Failure
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.place.claim import Claim, Terms
from airflow_dirops.core.place.held import Held, Kept
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

    def finish_what_crashed(self, who: str) -> None:
        """Roll a commit forward that a crash cut off, and keep what it replaced.

        :param who: says to others who holds the lock.
        """

    def newest_failed_try(self, newer_than: str = "") -> FailedTry | None:
        """The newest try with inputs that failed.

        :param newer_than: the id of an attempt; older ones do not count.
        """

    def clean(self, retention: Retention) -> Cleaned:
        """Remove orphans and expired snapshots.

        Never a live attempt, the current snapshot, one that is read, or anything that no stage wrote.
        """


class FailedInTry(NamedTuple):
    """An input that failed in a try that was not committed."""

    path: str
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
