"""A stage that is cut into shards: its plan, what a shard has sealed, and the small messages between the three calls.

The plan and what was sealed are documents beside the target; the messages travel, as an XCom does, and come back as
anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from airflow_dirops.core.errors import ArgumentRefused, ShardMissing
from airflow_dirops.core.format.manifest import ListName, ListRecord, ManifestModel, PartitionRecord, SourceRecord
from airflow_dirops.core.format.members import AreaName, Count, Digest, Id, LongText, Text, Word
from airflow_dirops.core.messages.shown import shown

PLAN_FORMAT = "dirops-plan/1"
PLAN = "plan.json"
SEAL = "seal.json"
UNMATCHED = "unmatched.jsonl"

MAX_SHARDS = 1024
"""So many results of one task Airflow maps over."""
MAX_PLAN_BYTES = 16 << 20

_MAX_SHOWN = 200
Order = bytes
_Number = Annotated[int, Meta(ge=0, lt=MAX_SHARDS)]
_HowMany = Annotated[int, Meta(ge=0, le=MAX_SHARDS)]

MessageT = TypeVar("MessageT", bound=msgspec.Struct)


def slice_name(number: int) -> str:
    """The name of the part of a plan that one shard works on."""
    return f"plan-{number}.jsonl"


class SliceRecord(ManifestModel, frozen=True):
    """The part of a plan that one shard works on: a list of its inputs, and the first and the last of them.

    :param shared: how many share their key with another one.
    """

    list: ListRecord
    first: LongText
    last: LongText
    shared: Count = 0


class PlanRecord(ManifestModel, frozen=True, kw_only=True, omit_defaults=True):
    """A plan: what all shards and the one that commits have to know, whatever the source and the target are by then.

    :param format: ``dirops-plan/1``.
    :param host: which machine made it.
    :param total: how many inputs there are.
    :param reasons: how many of them run for which reason, or are carried over.
    :param removed: inputs of the base that are gone.
    :param is_due: a new snapshot is wanted even if nothing in it is new.
    :param ignored: how many names the listing passed over.
    :param where: what was read, for people.
    :param sources: as the manifest will name them, each with the snapshot that is read.
    :param dead: staging areas of dead attempts whose finished files the plan counts on.
    :param unmatched: the list of what a join left out.
    """

    format: Text
    host: Text
    stage: Text
    partition: Text | None = None
    limit: Count | None = None
    join: Word | None = None
    total: Count
    reasons: dict[Word, Count]
    removed: Count
    is_due: bool
    ignored: Count
    where: Annotated[tuple[LongText, ...], Meta(min_length=1)]
    sources: Annotated[tuple[SourceRecord, ...], Meta(min_length=1)]
    partitions: tuple[PartitionRecord, ...] = ()
    dead: tuple[AreaName, ...] = ()
    slices: tuple[SliceRecord, ...]
    unmatched: ListRecord | None = None
    code_changes: tuple[LongText, ...] = ()


class SealedRecord(ManifestModel, frozen=True, kw_only=True):
    """What a shard has finished, in its staging area.

    :param plan: the digest of the plan.
    :param inputs: how many were through.
    :param bytes: of the entries.
    :param one_to_one: each input gave one entry of its own key, or none.
    :param done: how many inputs were computed, carried over, reused and quarantined.
    :param lists: of the entries, of what gave nothing and of what failed, each sorted as in a manifest.
    :param first: what the first line of each list that has one is sorted by.
    """

    plan: Digest
    shard: _Number
    inputs: Count
    bytes: Count
    one_to_one: bool
    done: dict[Word, Count]
    lists: dict[ListName, ListRecord]
    first: dict[ListName, Order]


class Shard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shard of a plan: what its task is given.

    :param plan: the id of the attempt that planned.
    :param digest: of the plan.
    :param shard: its number, from 0 on.
    :param of: how many there are.
    :param label: for people: ``shard 12: img_0480 … img_0519``.
    :param host: which machine planned.
    """

    plan: Id
    digest: Digest
    shard: _Number
    of: _HowMany
    label: Text = ""
    host: Text = ""

    @classmethod
    def of_message(cls, given: Any) -> Shard:
        """From its plain values.

        :raises ArgumentRefused: if they are none.
        """
        return _message(given, Shard, "a shard is what cut() gives, unaltered")

    def to_dict(self) -> dict[str, Any]:
        """Plain and small: fit for an XCom."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class SealedShard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a shard has come to: what :func:`work_shard` returns, and :func:`gather` takes.

    :param plan: the id of the attempt that planned.
    :param shard: its number.
    :param area: the staging area that its files are in.
    :param digest: of what it has sealed.
    :param host: which machine it ran on.
    """

    plan: Id
    shard: _Number
    area: AreaName
    digest: Digest
    host: Text = ""
    computed: Count = 0
    carried: Count = 0
    reused: Count = 0
    quarantined: Count = 0

    def __post_init__(self) -> None:
        if not self.area.startswith(self.plan):
            raise ValueError("its staging area is not of its plan")

    @classmethod
    def of_message(cls, given: Any) -> SealedShard:
        """From its plain values.

        :raises ArgumentRefused: if they are none.
        """
        return _message(given, SealedShard, "what a shard has sealed is what work_shard() returned, unaltered")

    def to_dict(self) -> dict[str, Any]:
        """Plain and small: fit for an XCom."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def shard_missing(shard: int, what: str) -> ShardMissing:
    """The error for a shard whose result is not there."""
    return ShardMissing(
        f"what shard {shard} made is not there as it was sealed, and nothing was committed: {what}. Make it again: "
        "clear that shard's task and the commit after it; a script calls the stage again, which makes only that shard"
    )


def _message(given: Any, kind: type[MessageT], what: str) -> MessageT:
    if isinstance(given, kind):
        return given
    try:
        return msgspec.convert(dict(given) if isinstance(given, Mapping) else given, kind)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise ArgumentRefused(f"{what}; this is {shown(repr(given), _MAX_SHOWN)}: {error}") from error
