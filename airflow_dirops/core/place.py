"""The seam: the place where a target is kept, as everything above it sees it.

A directory is the first place; an object store can be another. Whoever implements these protocols is tried by
:mod:`airflow_dirops.testing.places`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import CommitUnknown, ConflictError, DiropsError
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.control import Adoption
from airflow_dirops.core.format.entries import Entry, Input
from airflow_dirops.core.format.journal import Failure, JournalLine
from airflow_dirops.core.format.lists import InputsSeen
from airflow_dirops.core.format.manifest import Manifest, PartitionRecord, SourceRecord
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.stage.functions import Pair
from airflow_dirops.core.stage.policies import Durability, OnConflict, Replaceable
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.core.stage.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a stage asks of a target when it claims it.

    :param stage: its name; what another stage committed is not replaced.
    :param fingerprint: of the user's function; finished files are reused only under the same one. None where no
        function runs: then what dead attempts finished is left to the next run of the stage.
    :param limit: of a trial run, which must not replace a full snapshot.
    :param may_replace: what else than the stage's own snapshots; a permission for once adds to it.
    :param full: everything is made anew.
    """

    stage: str
    fingerprint: str | None = None
    limit: int | None = None
    may_replace: Collection[Replaceable] = ()
    full: bool = False


class FileStatus(NamedTuple):
    """Of a regular file of a snapshot."""

    size: int
    mtime_ns: int


class Held(Protocol):
    """A snapshot, held open: nothing removes it until it is closed, and a commit that replaces it changes nothing."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def path(self) -> Path:
        """What it was opened by, for messages."""

    @property
    def sealed_ns(self) -> int:
        """When its header was written, by the clock of the place."""

    def open(self, path: str) -> BufferedReader:
        """Open a file of it for reading.

        :param path: relative to the snapshot; of an entry or of a list.
        :raises SnapshotDamaged: if there is no regular file; its cause is the ``OSError``.
        :raises SnapshotExpired: if it was removed all the same.
        :raises StorageError: if it cannot be opened, and may be whole.
        """

    def status(self, path: str) -> FileStatus | None:
        """What is known of a file without reading it; None if there is no regular file.

        :raises StorageError: if that cannot be told.
        """

    def local(self, path: str) -> AbstractContextManager[str]:
        """A path string that opens this very file for as long as the block lasts, in children of this process too."""

    def path_of(self, path: str) -> str:
        """As :meth:`local`, for as long as the snapshot is held."""

    def explain(self, error: OSError, path: str) -> DiropsError:
        """What it means that reading a file of it failed: something about the snapshot, or about the machine."""

    def iter_files(self) -> Iterator[str]:
        """Every file that lies there, listed or not, but those of its manifest; in no order."""

    def count_files(self) -> int:
        """How many files :meth:`iter_files` would give."""

    def close(self) -> None: ...


def not_as_listed(where: Path, what: str) -> str:
    """The message for an entry that is not what its manifest says.

    :param what: what is wrong with it.
    """
    return (
        f"{str(where)!r} is not what its manifest says: {what}; run its stage with redo='damaged', or roll the "
        "target back"
    )


class Dead(Protocol):
    """What an attempt left that has ended without a commit; nobody else takes it while the claim lasts."""

    @property
    def id(self) -> str:
        """The attempt's."""

    def finished(self) -> Iterator[JournalLine]:
        """What became of the inputs that were through."""


class Staging(Protocol):
    """Where one attempt writes what nobody sees yet; a context manager.

    A file is finished when its bytes are durable and its input's line is in the journal.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stage(self, line: JournalLine, records: Iterator[Pair], codec: Codec) -> JournalLine:
        """Write what one input gave, and journal the input once all of it is durable.

        :param line: the input's line, still without outputs.
        :returns: the line as it is journaled.
        :raises KeyRefused: if a key cannot name a file, or its name is taken.
        :raises EncodeError: if the codec cannot write a value; names the key.
        :raises StorageError: if the place refuses; the attempt is dead then.
        """

    def write(self, line: JournalLine, records: Iterator[Pair], codec: Codec) -> JournalLine:
        """In a worker process: write what one input gave, for :meth:`accept` in the process that has the journal."""

    def accept(self, line: JournalLine) -> None:
        """Journal an input that a worker wrote, once its outputs are durable."""

    def note(self, line: JournalLine) -> None:
        """Journal an input that leaves no file here: one that failed, or gave nothing before."""

    def keep(self, line: JournalLine, base: Held) -> None:
        """Take an input's outputs from the base snapshot: by link, copy or reference, whatever the place has.

        :raises KeyTaken: if a name is wanted twice.
        :raises SnapshotDamaged: if what had to be copied is not what the base's manifest says.
        """

    def reuse(self, line: JournalLine, dead: Dead) -> bool:
        """Take an input's finished files from a dead attempt.

        :returns: False if a file is not the one that was finished; the input must run again then.
        """

    def restore(self, like: Held, entries: Callable[[], Iterable[tuple[Entry, Held]]], manifest: Manifest) -> None:
        """Make and seal what an earlier snapshot was; nothing of it is journaled.

        :param like: the earlier snapshot, whose lists this one gets.
        :param entries: gives what it lists, each with a snapshot that has its bytes; as often as asked.
        :param manifest: the header.
        """

    def drop_unlisted(self) -> None:
        """Remove what no line of the journal names: what a worker had half written when it died."""

    def drain(self) -> None:
        """Wait until all that was staged is durable and journaled."""

    def finished(self) -> Iterator[JournalLine]:
        """Every line that was journaled, as often as asked.

        :raises StagingChanged: if somebody has altered the journal.
        """

    def seal(self, sealing: Sealing) -> Manifest:
        """Write the lists, then the header, and make everything durable, in that order.

        :returns: the header, as written.
        :raises StagingChanged: if somebody removed or altered what was journaled, or the journal, or added files.
        :raises ArgumentRefused: if readers would refuse the manifest.
        :raises StorageError: if anything cannot be made durable; the attempt is dead then.
        """


@dataclass(frozen=True, kw_only=True)
class Sealing:
    """What the lists and the header say besides what the journal holds.

    :param sources: as the header names them.
    :param partitions: those of a roll-up.
    :param ignored: how many names the listing passed over.
    :param began: when the attempt did, on the monotonic clock.
    :param planned: how many inputs there are, of which each has its line in the journal; without ``seen``.
    :param unmatched: what a join left out, and in which of its sources it is missing.
    :param seen: all inputs of an aggregate as one.
    """

    stage: Stage
    code: Code
    attempt: Attempt
    base: Manifest | None
    sources: tuple[SourceRecord, ...]
    ignored: int
    began: float
    planned: int
    unmatched: Iterable[tuple[Input, tuple[int, ...]]] = ()
    seen: InputsSeen | None = None
    partitions: tuple[PartitionRecord, ...] = ()


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
    """A claim on a target, until it is released; a context manager.

    Left without an error, it removes what is of no more use; what a failed attempt finished stays for the next one.

    :param attempt: numbered among the tries of its run.
    :param base: the snapshot that was there when the claim was made.
    :param full: everything is made anew: the stage says so, or a user cleared a task that had committed.
    :param dead: what earlier attempts left whose finished files may stand for work of this one.
    """

    @property
    def attempt(self) -> Attempt: ...

    @property
    def base(self) -> Manifest | None: ...

    @property
    def full(self) -> bool: ...

    @property
    def dead(self) -> Sequence[Dead]: ...

    @property
    def committed_before(self) -> bool:
        """Whether the base was committed by an earlier try that nobody has cleared since."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

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

    def retire(self, retention: Retention) -> None:
        """After a commit: drop replaced snapshots past their retention. Failing at it only warns."""

    def where_replaced(self) -> str:
        """Where the base is kept once it is replaced, for people."""


class Place(Protocol):
    """Where one target is kept, with all that belongs to it: a directory, or a prefix of an object store."""

    @property
    def name(self) -> str:
        """Its path or URL, for people and for lineage."""

    def check(self, sources: Iterable[Path]) -> None:
        """See, without writing anything, that a stage may write here.

        :param sources: what the stage reads.
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


class Kept(Protocol):
    """A snapshot that can be read: the current one, or a retired one."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def is_current(self) -> bool: ...

    @property
    def path(self) -> Path:
        """Where it lies, for people."""

    def hold(self) -> Held:
        """Keep it open.

        :raises ManifestMissing: if it is gone by now.
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
    :param left: attempts that may be at work, in words; they stay as well.
    """

    orphans: list[str]
    snapshots: list[str]
    unmanaged: list[str]
    foreign: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
