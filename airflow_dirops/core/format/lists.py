"""The lists of a manifest: a line for each entry, for each input that gave nothing, for each that failed.

Lines are JSON, sorted bytewise by key, and written and read one at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.journal import Failure
from airflow_dirops.core.format.lines import encode_line
from airflow_dirops.core.format.manifest import ListName, SourceRecord
from airflow_dirops.core.format.members import Count, Digest, InputDigest, Number
from airflow_dirops.core.format.triage import Note

FILES: ListName = "files.jsonl"
SKIPPED: ListName = "skipped.jsonl"
QUARANTINE: ListName = "quarantine.jsonl"
LISTS: tuple[ListName, ...] = (FILES, SKIPPED, QUARANTINE)

# An entry of 100,000 joined inputs has a line of that length; ordinary ones have 200 bytes.
MAX_LINE_BYTES = 16 << 20


class FileLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of ``files.jsonl``: an entry, and the inputs it was made from.

    With ``replaced`` a person gave it, since the stage failed on its input.
    """

    path: str
    size: Count
    digest: Digest
    inputs: tuple[Input, ...]
    replaced: Note | None = None


class SealedFile(FileLine, frozen=True, kw_only=True):
    """A line of ``files.jsonl`` as a shard seals it: with what tells that it is still the same file."""

    inode: Count
    mtime_ns: Number

    @property
    def line(self) -> FileLine:
        """As it stands in the manifest."""
        return FileLine(self.path, self.size, self.digest, self.inputs, self.replaced)


class SkippedLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of ``skipped.jsonl``: an input that gave nothing, so that the next run knows it was seen.

    With a ``reason`` it was not even read: an inner join left it out. With ``accepted`` it failed, and a person has
    said that it is to be skipped.
    """

    path: str
    size: Count
    mtime_ns: Number | None = None
    digest: InputDigest | None = None
    beside: Digest | None = None
    reason: str = ""
    accepted: Note | None = None

    @classmethod
    def left_out(cls, item: Input, lacking: tuple[int, ...], sources: tuple[SourceRecord, ...]) -> SkippedLine:
        """What a join left out.

        :param lacking: the numbers of the sources in which it is missing.
        :param sources: all of them.
        """
        places = " and ".join(repr(sources[number].location) for number in lacking)
        return cls(item.path, item.size, digest=item.digest, reason=f"no match in {places}")


class QuarantineLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of ``quarantine.jsonl``: an input that failed, and why."""

    path: str
    size: Count
    error: str
    message: str
    traceback: str
    tries: Count = 1
    mtime_ns: Number | None = None
    digest: InputDigest | None = None
    place: str = ""
    beside: Digest | None = None
    kind: str = ""

    @property
    def input(self) -> Input:
        """The input, as it was when it failed."""
        return Input(self.path, self.size, self.mtime_ns, self.digest, beside=self.beside)

    @property
    def failure(self) -> Failure:
        """Why it failed."""
        return Failure(self.error, self.message, self.traceback, self.tries, self.place, self.kind)


LINE_TYPES: dict[str, type[msgspec.Struct]] = {
    FILES: FileLine,
    SKIPPED: SkippedLine,
    QUARANTINE: QuarantineLine,
}


@dataclass(frozen=True)
class InputsSeen:
    """All inputs of an aggregate as one: how many there are, and a digest over their names and what they hold."""

    count: int
    digest: str

    @classmethod
    def of(cls, inputs: Iterable[Input]) -> InputsSeen:
        digest, count = hashlib.sha256(), 0
        for item in inputs:
            digest.update(encode_line(item) + b"\n")
            count += 1
        return cls(count, digest.hexdigest())
