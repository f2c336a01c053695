"""What the shards have returned: one result of each, all of one plan. They came through somebody else's hands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused, ShardMissing
from airflow_dirops.core.format.shards import SealedShard
from airflow_dirops.core.messages.first_few import first_few

_MAX_NAMED = 20


def checked_results(plan: str, of: int, given: Iterable[SealedShard | Mapping[str, Any] | None]) -> list[SealedShard]:
    """One result for each shard, in order.

    :param plan: the id of the attempt that planned.
    :param of: how many shards there are.
    :raises ArgumentRefused: if something is no result of a shard, or of a shard that there is not.
    :raises ShardMissing: with those that have no result for this plan.
    """
    messages = [SealedShard.of_message(one) for one in given if one is not None]
    mine = {message.shard: message for message in messages if message.plan == plan}
    if surplus := sorted(number for number in mine if number >= of):
        raise ArgumentRefused(f"there are results of shards {surplus}, and the plan has {of}; give those of one plan")
    if missing := [number for number in range(of) if number not in mine]:
        older = {message.shard for message in messages} - mine.keys()
        few = first_few(missing, _MAX_NAMED, lambda number: f"{number}{' (of another plan)' * (number in older)}")
        raise ShardMissing(
            f"{len(missing)} of {of} shards have no result for this plan, so nothing was committed: {few.phrase()}. "
            "Clear their tasks, so that they run again, and the commit after them; what is finished is kept. A script "
            "gives gather() what work_shard() returned for each"
        )
    return [mine[number] for number in range(of)]
