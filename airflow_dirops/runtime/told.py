"""Which partitions have been told to Airflow, kept in the state store of the asset that is watched.

A relay writes down what it is about to tell, and tells it. Airflow makes the events in the moment in which it takes the
task as a success, so that they are the proof: whoever finds such a note sees by the events whether it came to that.
"""

from __future__ import annotations

from binascii import crc32
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

_SHARDS = [f"dirops_told_{number:02}" for number in range(16)]  # Airflow warns of values above 64 KiB
_TELLING = "dirops_telling"


class Told:
    """What was told, each partition with the state that it was in.

    :param store: the state store of one asset.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._shards: dict[str, dict[str, str]] = {name: store.get(name) or {} for name in _SHARDS}

    def state_of(self, partition: str) -> str | None:
        """The state in which a partition was told last."""
        return self._shards[_shard(partition)].get(partition)

    def unsettled(self) -> dict[str, Any] | None:
        """The note of a relay of which is not known yet whether it came to tell: its run, since when, and what."""
        note: dict[str, Any] | None = self._store.get(_TELLING)
        return note

    def about_to_tell(self, run_id: str, since: str, states: Mapping[str, str]) -> None:
        """Note what a run is about to tell.

        :param since: when the run began.
        """
        self._store.set(_TELLING, {"run": run_id, "since": since, "states": dict(states)})

    def settle(self, *, was_told: bool) -> None:
        """Take a note as told, or as never told. Again does no harm."""
        note = self.unsettled()
        if note and was_told:
            self._add(note["states"])
        if note:
            self._store.delete(_TELLING)

    def _add(self, states: Mapping[str, str]) -> None:
        changed: dict[str, dict[str, str]] = defaultdict(dict)
        for partition, state in states.items():
            changed[_shard(partition)][partition] = state
        for name, states_there in changed.items():
            self._shards[name] |= states_there
            self._store.set(name, self._shards[name])


async def read_told(store: Any, partitions: Iterable[str]) -> dict[str, str]:
    """The states in which partitions were told, as a trigger reads them.

    :param store: the state store of one asset.
    """
    told: dict[str, str] = {}
    for name in {_shard(partition) for partition in partitions}:
        told |= await store.aget(name) or {}
    return told


def _shard(partition: str) -> str:
    return _SHARDS[crc32(partition.encode()) % len(_SHARDS)]
