"""Who is about to replace a target: on which terms, with what right, and how it ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from types import TracebackType
from typing import Protocol, Self

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import CommitUnknown, ConflictError
from airflow_dirops.core.format.manifest import ListRecord, Manifest
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.place.held import Held
from airflow_dirops.core.place.staging import Leftover, Staging
from airflow_dirops.core.stage.policies import Durability, OnConflict, Replaceable
from airflow_dirops.core.stage.retention import Retention


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a stage asks of a target when it claims it.

    :param stage: its name; what another stage committed is not replaced.
    :param fingerprint: of the user's function; finished files are reused only under the same one. None where no
        function runs: then what dead attempts finished is left to the next run of the stage.
    :param limit: of a trial run, which must not replace a full snapshot.
    :param may_replace: what else than the stage's own snapshots; a permission for once adds to it.
    :param full: everything is made anew.
    :param dimensions: which site, camera and so on the target is for; a snapshot of another one is not replaced.
    """

    stage: str
    fingerprint: str | None = None
    limit: int | None = None
    may_replace: Collection[Replaceable] = ()
    full: bool = False
    dimensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Won:
    """The sealed snapshot is the target."""


@dataclass(frozen=True)
class Lost:
    """The target is as it was, or as somebody else made it.

    :param error: says to whom.
    """

    error: ConflictError


@dataclass(frozen=True)
class Unknown:
    """Whether the snapshot is the target cannot be told; nothing may be removed. The next claim sees what happened.

    :param error: why.
    """

    error: CommitUnknown


Committed = Won | Lost | Unknown


class Claim(Protocol):
    """A claim on a target, in one process; a context manager.

    Left without an error, it ends and removes what is of no more use, unless it was left open; what a failed attempt
    finished stays for the next one.

    :param attempt: numbered among the tries of its run.
    :param base: the snapshot that was there when the claim was made.
    :param full: everything is made anew: the stage says so, or a user cleared a task that had committed.
    :param dead: what earlier attempts left, ended without a commit, whose finished files may stand for work of this
        one. Nobody else takes it while the claim lasts.
    :param others: what other processes have finished under this very claim, whether or not they are still at work.
    :param area: the name of the staging area that this process has, by which ``others`` of the next one tells it.
    """

    @property
    def attempt(self) -> Attempt: ...

    @property
    def base(self) -> Manifest | None: ...

    @property
    def full(self) -> bool: ...

    @property
    def dead(self) -> Sequence[Leftover]: ...

    @property
    def others(self) -> Sequence[Leftover]: ...

    @property
    def area(self) -> str: ...

    @property
    def committed_before(self) -> bool:
        """Whether the base was committed by an earlier try that nobody has cleared since."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def leave_open(self, *, while_at_work: bool = False) -> None:
        """Let the claim outlive this process: others go on with it, with :meth:`Place.resume`, and one of them commits.

        It stays open until it is committed, a newer try of its run claims the target, or nobody has worked on it for
        a week. Until then its finished files are nobody else's, and its base is kept.

        :param while_at_work: only for as long as any process of it is at work, this one among them.
        :raises AttemptSuperseded: if a newer try of the same run has claimed the target, or another process of this
            one has committed.
        """

    def end(self) -> None:
        """Let the claim end with this process all the same, though it was left open."""

    def write_note(self, name: str, lines: Iterable[bytes]) -> ListRecord:
        """Leave a list for other processes under this claim, durable once the claim is left open.

        :param name: of which this process leaves one.
        :param lines: without their ends.
        """

    def open_note(self, area: str, name: str, host: str | None = None) -> BufferedReader | None:
        """Open what a process of this attempt has left; None if it is not there.

        :param area: that process's staging area.
        :param host: which machine left it, if that is known: names may come late from another one.
        """

    def name_of_note(self, area: str, name: str) -> str:
        """Where it lies, for people."""

    def left_by(self, area: str) -> Leftover | None:
        """What lies in a staging area, of this attempt or of another one with the same code; None if it is gone."""

    def hold_base(self) -> Held | None:
        """The base, held open.

        :raises ManifestDamaged: if it is gone.
        """

    def sorter(self, name: str) -> Sorter:
        """Sorts long lists where only this attempt writes; one of each name."""

    def free_bytes(self) -> int | None:
        """How much room there is for what will be made; None where nothing tells."""

    def check_replaceable(self) -> None:
        """Ask the place, before any work, whether it would let the commit replace what is there.

        :raises TargetRefused: if it would not.
        """

    def stage(self, durability: Durability) -> Staging: ...

    def commit(self, sealed: Manifest, on_conflict: OnConflict = "fail") -> Committed:
        """Make what was sealed the target, whole or not at all; a few calls for any number of files.

        :raises TargetRefused: if another mapped instance of the same run has committed there.
        :raises StorageError: if the place refused; the target is as it was.
        """

    def hold_sealed(self) -> Held:
        """What was sealed here, held open before anybody else sees it."""

    def hold_back(self, sealed: Manifest, until: float, on_conflict: OnConflict = "fail") -> Committed:
        """Instead of a commit: keep what was sealed, unseen, for somebody to publish or reject it.

        Nothing removes it before, and nobody else's work builds on it.

        :param until: when its time is over, in seconds since the epoch.
        :returns: as :meth:`commit`, with the same rules; nothing is at the target.
        """

    def publish(self, held: Manifest) -> Committed:
        """Make a held snapshot the target, which another attempt has sealed; else as :meth:`commit`.

        :param held: its header, as it shall be from now on.
        :raises NotHeld: if it is not held, or not any more.
        """

    def retire(self, retention: Retention) -> None:
        """After a commit: drop replaced snapshots past their retention. Failing at it only warns."""

    def where_replaced(self) -> str:
        """Where the base is kept once it is replaced, for people."""
