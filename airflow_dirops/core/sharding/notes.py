"""The documents by which processes under one claim know of each other: the plan, its parts, and what was sealed.

They are input: whatever one of them holds, it is what its digest says, or nothing is committed.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader
from typing import Any, TypeVar

import msgspec

from airflow_dirops.core.errors import DiropsError, PlanDamaged, storage_errors
from airflow_dirops.core.format.lines import BLOCK_BYTES, LineDecoder, iter_lines
from airflow_dirops.core.format.lists import LISTS, MAX_LINE_BYTES, SkippedLine
from airflow_dirops.core.format.manifest import ListRecord
from airflow_dirops.core.format.members import UNDECODABLE
from airflow_dirops.core.format.planned import Planned
from airflow_dirops.core.format.shards import (
    MAX_PLAN_BYTES,
    PLAN,
    PLAN_FORMAT,
    SEAL,
    UNMATCHED,
    PlanRecord,
    SealedRecord,
    SealedShard,
    shard_missing,
    slice_name,
)
from airflow_dirops.core.place.claim import Claim
from airflow_dirops.core.stage.stage import Stage

T = TypeVar("T", bound=msgspec.Struct)

PLAN_ANEW = (
    "Plan it anew: clear the task that planned, together with the shards and the commit after it; what the shards have "
    "finished is not made again. A script calls the stage again"
)
"""What to do about a plan that cannot be gone on with."""


class _Unreadable(Exception):
    """A note is not what it should be, as a phrase."""


def write_document(claim: Claim, name: str, document: msgspec.Struct) -> str:
    """Leave a document; returns its digest."""
    return claim.write_note(name, [msgspec.json.encode(document)]).digest


def read_plan(claim: Claim, plan: str, digest: str, host: str) -> PlanRecord:
    """Read a plan.

    :param plan: the id of the attempt that made it.
    :param host: which machine did.
    :raises PlanDamaged: if it is not there, or not what was written.
    """
    try:
        record = _read(claim, plan, PLAN, digest, host, PlanRecord)
    except _Unreadable as error:
        raise _plan_damaged(claim, plan, PLAN, str(error)) from error
    if record.format != PLAN_FORMAT:
        raise _plan_damaged(
            claim, plan, PLAN, f"it is of format {record.format!r}, and this version reads {PLAN_FORMAT!r}"
        )
    return record


def check_asked(plan: PlanRecord, stage: Stage) -> None:
    """Refuse to go on with a plan for another run over the same target.

    :raises PlanDamaged: if it is one.
    """
    asked: tuple[tuple[str, object, object], ...] = (
        ("limit", plan.limit, stage.limit),
        ("partition", plan.partition, stage.partition),
        ("join", plan.join, stage.join),
    )
    if other := [f"{name}={planned!r}, and this is for {now!r}" for name, planned, now in asked if planned != now]:
        raise PlanDamaged(f"the plan of stage {stage.name} was made for {'; '.join(other)}. {PLAN_ANEW}")


def check_whole(plan: PlanRecord, inputs: Sequence[int]) -> None:
    """See that shards have come through all inputs of a plan.

    :param inputs: through how many each has come.
    :raises PlanDamaged: if there is another number of shards.
    :raises ShardMissing: if one has come through more or fewer.
    """
    if len(inputs) != len(plan.slices):
        raise PlanDamaged(f"the plan has {len(plan.slices)} shards, not {len(inputs)}. {PLAN_ANEW}")
    for number, (part, through) in enumerate(zip(plan.slices, inputs, strict=True)):
        if through != part.list.lines:
            raise shard_missing(number, f"{through} of its {part.list.lines} inputs are through")


def iter_slice(claim: Claim, plan: str, record: PlanRecord, number: int) -> Iterator[Planned]:
    """The inputs of one shard, read as they are asked for, as often as asked; all of it is checked before the first.

    :raises PlanDamaged: if that part of the plan is not what was written.
    """
    return _iter_plan_list(claim, plan, record, slice_name(number), record.slices[number].list, LineDecoder(Planned))


def iter_unmatched(claim: Claim, plan: str, record: PlanRecord) -> Iterator[SkippedLine]:
    """What a join left out, likewise."""
    if record.unmatched is None:
        return iter(())
    return _iter_plan_list(claim, plan, record, UNMATCHED, record.unmatched, LineDecoder(SkippedLine))


def _iter_plan_list(
    claim: Claim, plan: str, record: PlanRecord, name: str, expected: ListRecord, decode: Callable[[bytes], Any]
) -> Iterator[Any]:
    try:
        with _opened(claim, plan, name, record.host) as file:
            _check(file, expected)
            file.seek(0)
            yield from map(decode, _lines(file))
    except (_Unreadable, *UNDECODABLE) as error:
        if isinstance(error, DiropsError):
            raise
        raise _plan_damaged(claim, plan, name, str(error)) from error


def read_seal(claim: Claim, message: SealedShard, plan_digest: str) -> SealedRecord:
    """Read what a shard has sealed.

    :param plan_digest: of the plan that it must be of.
    :raises ShardMissing: if it is not there, or not what was sealed.
    """
    try:
        record = _read(claim, message.area, SEAL, message.digest, message.host, SealedRecord)
        if record.lists.keys() != set(LISTS):
            raise _Unreadable(f"it names the lists {sorted(record.lists)}")
        if (record.plan, record.shard) != (plan_digest, message.shard):
            raise _Unreadable(f"it is shard {record.shard} of another plan, or of another version of this one")
    except _Unreadable as error:
        raise shard_missing(message.shard, f"{claim.name_of_note(message.area, SEAL)!r}: {error}") from error
    return record


def iter_sealed(
    claim: Claim, message: SealedShard, name: str, record: ListRecord, decode: Callable[[bytes], Any]
) -> Iterator[Any]:
    """The lines of a list that a shard has sealed, compared with its digest at the end.

    :raises ShardMissing: here or at the end, if it is not what was sealed.
    """
    digest, count = hashlib.sha256(), 0
    try:
        with _opened(claim, message.area, name, message.host) as file:
            for line in _lines(file, digest.update):
                count += 1
                yield decode(line)
    except (_Unreadable, *UNDECODABLE) as error:
        if isinstance(error, DiropsError):
            raise
        raise shard_missing(message.shard, f"{claim.name_of_note(message.area, name)!r}: {error}") from error
    if (count, digest.hexdigest()) != (record.lines, record.digest):
        raise shard_missing(
            message.shard, f"{claim.name_of_note(message.area, name)!r} is not the list that was sealed"
        )


def _read(claim: Claim, area: str, name: str, digest: str, host: str, kind: type[T]) -> T:
    with _opened(claim, area, name, host) as file, storage_errors("reading", name):
        content = file.read(MAX_PLAN_BYTES + 1)
    if hashlib.sha256(content).hexdigest() != digest:
        raise _Unreadable("it is not what was written")
    try:
        return msgspec.json.decode(content, type=kind)
    except UNDECODABLE as error:
        raise _Unreadable(f"it cannot be read: {error}") from error


def _opened(claim: Claim, area: str, name: str, host: str) -> BufferedReader:
    file = claim.open_note(area, name, host)
    if file is None:
        elsewhere = f"; machine {host!r} wrote it" if host and host != socket.gethostname() else ""
        raise _Unreadable(f"machine {socket.gethostname()!r} sees no such file{elsewhere}")
    return file


def _check(file: BufferedReader, record: ListRecord) -> None:
    digest = hashlib.sha256()
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    if digest.hexdigest() != record.digest:
        raise _Unreadable("it is not what was written")


def _lines(file: BufferedReader, note: Callable[[bytes], None] = lambda _: None) -> Iterator[bytes]:
    def read() -> bytes:
        with storage_errors("reading", file.name if isinstance(file.name, str) else "a list of a shard"):
            block = file.read(BLOCK_BYTES)
        note(block)
        return block

    return iter_lines(read, MAX_LINE_BYTES)


def _plan_damaged(claim: Claim, plan: str, name: str, what: str) -> PlanDamaged:
    return PlanDamaged(f"the plan's {claim.name_of_note(plan, name)!r} cannot be used: {what}. {PLAN_ANEW}")
