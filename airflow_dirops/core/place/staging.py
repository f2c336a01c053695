"""What an attempt writes before anybody sees it, and what others had finished before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.entries import Entry, Input
from airflow_dirops.core.format.journal import JournalLine
from airflow_dirops.core.format.lists import InputsSeen, SealedFile
from airflow_dirops.core.format.manifest import ListName, ListRecord, Manifest, PartitionRecord, SourceRecord
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.place.held import Held
from airflow_dirops.core.stage.functions import Pair
from airflow_dirops.core.stage.stage import Stage


class ShardLists(NamedTuple):
    """The lists of one shard.

    :param first: what the first line of each list that has one is sorted by.
    """

    totals: Totals
    lists: dict[ListName, ListRecord]
    first: dict[ListName, bytes]


class Leftover(Protocol):
    """What another process has finished in a staging area of its own, and leaves to whoever takes it."""

    @property
    def id(self) -> str:
        """The staging area's."""

    @property
    def shard(self) -> int | None:
        """Which part of the work its process did, if it did a part."""

    def finished(self) -> Iterator[JournalLine]:
        """What became of the inputs that were through."""

    def close(self) -> None:
        """Let go of what was opened for it; it is opened again where something more is taken."""


class Staging(Protocol):
    """Where one process of an attempt writes what nobody sees yet; a context manager.

    A file is finished when its bytes are durable and its input's line is in the journal.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def expect(self, inputs: int) -> None:
        """Say, for whoever looks on from outside, how many inputs will have a line in the journal."""

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

    def reuse(self, line: JournalLine, other: Leftover) -> bool:
        """Take an input's finished files from another staging area.

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

    def seal_shard(self, planned: int, write: Callable[[str, Iterable[bytes]], ListRecord]) -> ShardLists:
        """Write the lists of what was finished here, for whoever gathers them, and make everything durable.

        :param planned: how many inputs there are, each with its line in the journal.
        :param write: writes one of the lists.
        :raises StagingChanged: as :meth:`seal`.
        """

    def gather(
        self, files: Iterable[Gathered], lists: Mapping[ListName, Iterable[bytes]], sealing: Sealing, totals: Totals
    ) -> Manifest:
        """Take the files that other processes of the attempt have sealed, write the lists and the header, and make
        everything durable.

        Names are taken, no bytes: by link, or reference; by copy only where the place has neither. The others' staging
        areas stay whole, so that a process that dies here costs nothing.

        :param files: in order, no path twice.
        :param lists: the lines of the other lists.
        :raises KeyRefused: if a name cannot be had beside another one, as where upper and lower case are the same.
        :raises ShardMissing: if a file is not there, or is not the one that was sealed.
        """


class Gathered(NamedTuple):
    """A file that a shard has sealed, and where it lies."""

    file: SealedFile
    shard: int
    area: Leftover


class Totals(NamedTuple):
    """What shards have come to together, besides their lists.

    :param inputs: how many were through.
    :param bytes: of the entries.
    :param one_to_one: each input gave one entry of its own key, or none.
    :param unmatched: how many lines of the second list are what a join left out.
    """

    inputs: int
    bytes: int
    one_to_one: bool
    unmatched: int = 0


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
