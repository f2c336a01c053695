"""The manifest: what one snapshot contains, and where each entry came from. ``docs/format.md`` is the promise.

A header and three lists (:mod:`airflow_dirops.core.format.lists`) lie in ``_dirops/`` inside the snapshot. The header
is small, holds the digests of the lists, and is all that a sensor needs to read.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from airflow_dirops.core.errors import (
    ArgumentRefused,
    ManifestDamaged,
    ManifestTooNew,
)
from airflow_dirops.core.format.code import Code, CodeParts
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY
from airflow_dirops.core.format.members import (
    UNDECODABLE,
    Count,
    Digest,
    Id,
    LongText,
    Moment,
    Number,
    Seconds,
    Suffix,
    Text,
    Word,
)
from airflow_dirops.core.messages.commands import dirops_command

FORMAT_NAME = "dirops"
FORMAT_VERSION = 1
FORMAT = f"{FORMAT_NAME}/{FORMAT_VERSION}"

HEADER = f"{MANIFEST_DIRECTORY}/manifest.json"

# A header is a few hundred bytes; what is far larger was not written by us.
MAX_HEADER_BYTES = 1 << 20

ListName = Literal["files.jsonl", "skipped.jsonl", "quarantine.jsonl"]


class ManifestModel(msgspec.Struct, frozen=True, kw_only=True):
    """Unknown members are ignored, so that later minor additions stay readable."""


class AttemptRecord(ManifestModel, frozen=True):
    """Who committed: the attempt, and the logical run it belongs to."""

    id: Id
    dag_id: Text = ""
    run_id: Text = ""
    task_id: Text = ""
    map_index: Number = -1
    try_number: Number = 1
    ti_id: Text = ""
    order: Text = ""


class SourceRecord(ManifestModel, frozen=True):
    """Where the inputs came from: relative to the directory that holds the target."""

    location: LongText
    snapshot: Id | None = None
    stage: Text | None = None

    def path_from(self, target: str) -> str:
        """Its path, for a target at that path."""
        return os.path.normpath(os.path.join(os.path.dirname(target), self.location))


class PartitionRecord(ManifestModel, frozen=True, omit_defaults=True):
    """One partition of a roll-up; without ``snapshot`` it was missing, which the stage had allowed."""

    partition: Text
    snapshot: Id | None = None
    stage: Text | None = None


class FunctionRecord(ManifestModel, frozen=True, omit_defaults=True):
    """What the entries were made with.

    ``parts`` says what the fingerprint goes over; ``parts_left_out`` how much more there is.
    """

    name: Text
    fingerprint: Text | None = None
    parts: CodeParts = ()
    parts_left_out: Count = 0

    @property
    def code(self) -> Code:
        return Code(self.fingerprint or "", self.parts, self.parts_left_out)


class CodecRecord(ManifestModel, frozen=True):
    """What wrote the entries, and how their names end."""

    name: Word
    suffix: Suffix


class ListRecord(ManifestModel, frozen=True):
    """One of the lists: how many lines, how many bytes, and their sha256."""

    lines: Count
    bytes: Count
    digest: Digest


Action = Literal["rollback", "repair", "publish"]


class UpkeepRecord(ManifestModel, frozen=True, omit_defaults=True):
    """Which command made a snapshot out of an earlier one, or published it, and who gave it.

    ``reason`` and ``run``, of a scheduler, are there where somebody gave them.
    """

    action: Word
    user: Text
    host: Text
    reason: Text = ""
    run: Text = ""


class Counts(ManifestModel, frozen=True, omit_defaults=True):
    """How many files: matched in the source, made, gave nothing, failed, and passed over by the listing.

    ``unmatched`` is there only where an inner join left keys out.
    """

    inputs: Count
    entries: Count
    skipped: Count
    quarantined: Count
    ignored: Count
    unmatched: Count = 0


class Manifest(ManifestModel, frozen=True, omit_defaults=True):
    """The header of a snapshot.

    ``bytes`` counts the entries only; ``created`` is UTC in ISO 8601; ``seconds`` is the attempt's wall time.
    ``join`` and ``sources`` are there where several sources were matched by key; ``source`` is the first of them.
    ``partitions`` is there where several partitions of one target were read as one: all that were asked for, in the
    order of their names. ``source.location`` has ``{partition}`` in it then.
    ``inputs_digest`` is there where entries were made of all inputs together.
    ``one_to_one`` says that each entry has the key of its only input, so that ``files.jsonl`` is in the order of both.
    ``restored`` and ``upkeep`` are there only after a roll-back or a repair: the snapshot whose lists these are.
    ``upkeep`` alone is there where the snapshot was held; ``created`` is when it was published then.
    ``dimensions`` is there where the target has a site, a camera or the like besides its partition.
    ``limit`` is there only where a trial run took no more than the first so many inputs.
    """

    format: str
    snapshot: Id
    base: Id | None
    stage: Text
    partition: Text | None
    created: Moment
    attempt: AttemptRecord
    source: SourceRecord
    function: FunctionRecord
    codec: CodecRecord
    durability: Word
    digest: Literal["sha256"]
    counts: Counts
    bytes: Count
    lists: dict[ListName, ListRecord]
    seconds: Seconds
    writer: dict[Text, Text]
    join: Word | None = None
    sources: tuple[SourceRecord, ...] = ()
    partitions: tuple[PartitionRecord, ...] = ()
    inputs_digest: Digest | None = None
    one_to_one: bool = False
    limit: Count | None = None
    dimensions: dict[Text, Text] = {}
    restored: Id | None = None
    upkeep: UpkeepRecord | None = None

    def __post_init__(self) -> None:
        # The pattern lets through a month 13.
        datetime.fromisoformat(self.created)

    @property
    def missing(self) -> list[str]:
        """The partitions of a roll-up that it was made without."""
        return [each.partition for each in self.partitions if each.snapshot is None]

    def summary(self) -> dict[str, Any]:
        """What fits into an XCom or an asset event."""
        return {
            "snapshot": self.snapshot,
            "stage": self.stage,
            "partition": self.partition,
            **({"dimensions": self.dimensions} if self.dimensions else {}),
            "created": self.created,
            "counts": msgspec.to_builtins(self.counts),
            "bytes": self.bytes,
            **({} if self.limit is None else {"limit": self.limit}),
            **({"missing": self.missing} if self.missing else {}),
        }


def encode_header(manifest: Manifest) -> bytes:
    """The bytes of ``manifest.json``.

    :raises ArgumentRefused: if no reader would take it: a member is too large, for one.
    """
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    if len(content) > MAX_HEADER_BYTES:
        sizes = {name: len(msgspec.json.encode(getattr(manifest, name))) for name in manifest.__struct_fields__}
        largest = max(sizes, key=lambda name: sizes[name])
        raise ArgumentRefused(
            f"the manifest would have {len(content)} bytes, and readers take {MAX_HEADER_BYTES}; "
            f"its member {largest!r} alone has {sizes[largest]}: give that less text"
        )
    try:
        msgspec.json.decode(content, type=Manifest)
    except UNDECODABLE as error:
        raise ArgumentRefused(
            f"no reader would take the manifest of this stage: {error}; "
            "change the argument that this member is made from"
        ) from error
    return content


class _FormatOnly(msgspec.Struct):
    format: str


def parse_header(content: bytes, where: Path) -> Manifest:
    """Decode a manifest's header.

    :param content: of ``manifest.json``, whole; more than :data:`MAX_HEADER_BYTES` is no header.
    :param where: for messages.
    :raises ManifestDamaged: if it is no manifest.
    :raises ManifestTooNew: if a newer version of this package wrote it.
    """
    if len(content) > MAX_HEADER_BYTES:
        raise ManifestDamaged(
            f"{str(where)!r} is no manifest: it has more than {MAX_HEADER_BYTES} bytes; {remedy(where)}"
        )
    try:
        first = msgspec.json.decode(content, type=_FormatOnly)
        name, _, version = first.format.partition("/")
        if name != FORMAT_NAME or not _is_version(version):
            raise ManifestDamaged(
                f"{str(where)!r} is no manifest of this package: its format is {first.format[:40]!r}; {remedy(where)}"
            )
        if int(version) > FORMAT_VERSION:
            raise ManifestTooNew(
                f"{str(where)!r} has format {first.format}, and this version of airflow-dirops reads up to {FORMAT}; "
                "upgrade airflow-dirops here"
            )
        return msgspec.json.decode(content, type=Manifest)
    except UNDECODABLE as error:
        raise ManifestDamaged(f"{str(where)!r} cannot be read as a manifest: {error}; {remedy(where)}") from error


def remedy(where: Path) -> str:
    """What to do about a header that cannot be read.

    :param where: its path, in the directory that holds the target.
    """
    target = os.path.abspath(where.parents[1])
    return (
        f"roll that target back: {dirops_command('rollback', target)} ; or let its stage move it aside and make it "
        f"again, once: {dirops_command('adopt', target)}"
    )


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10
