"""Watch many folders for an asset: one round for all of them, beside the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Hashable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.runtime.told import read_told
from airflow_dirops.triggers.rounds import Rounds
from airflow_dirops.triggers.telling import Telling
from airflow_dirops.triggers.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_dirops.triggers.finding import Finding

_log = logging.getLogger(__name__)

_NAMED = 20


class ArrivalsTrigger(BaseEventTrigger):
    """Fires for folders that have become ready, and again until a relay has told them.

    The event is ``{"directory": path, "count": number, "partitions": names}``, with the first of the names; it is a
    hint to look, and the folders are the truth. Watchers of the same folders share their rounds.

    :param watched: the fields of :class:`~airflow_dirops.triggers.watched.Watched`.
    :param asset: the name of the asset whose state store says what was told.
    :param poll_interval: the seconds between two rounds.
    """

    def __init__(self, *, watched: dict[str, Any], asset: str, poll_interval: float = 30.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.watched = watched
        self.asset = asset
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to build this trigger again in the triggerer."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "watched": self.watched,
            "asset": self.asset,
            "poll_interval": self.poll_interval,
        }

    def shared_stream_key(self) -> Hashable:
        """Watchers of the same folders share one round."""
        return ("dirops-arrivals", *Watched(**self.watched).group, self.poll_interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[dict[str, str]]:
        """The state of each partition that may be ready, round by round."""
        watched = Watched(**kwargs["watched"])
        sayings = Sayings(watched)
        rounds = Rounds(sayings.say)
        while True:
            yield await states_there(watched, rounds, sayings)
            await asyncio.sleep(kwargs["poll_interval"])

    async def filter_shared_stream(self, shared_stream: AsyncIterator[dict[str, str]]) -> AsyncIterator[TriggerEvent]:
        """Fire for what is ready and was not told."""
        watched = Watched(**self.watched)
        sayings, telling = Sayings(watched), Telling()
        rounds = Rounds(sayings.say)
        async for states in shared_stream:
            telling.sees({name: state for name, state in states.items() if watched.counts(name)})
            if asked := telling.asked():
                telling.hears(await self._told(asked))
            for name, finding in (await look_at_each(watched, telling.unknown(), rounds, sayings)).items():
                telling.finds(name, is_ready=finding.summary is not None)
            if due := telling.due(time.monotonic()):
                event = {"directory": watched.directory, "count": len(due), "partitions": due[:_NAMED]}
                yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch without sharing, where nobody shares."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    async def _told(self, partitions: list[str]) -> Mapping[str, str]:
        if self.asset_state_store is None:
            return {}
        try:
            return await read_told(self.asset_state_store[Asset(self.asset)], partitions)
        except Exception:  # it is asked again in the next round, and telling twice does no harm
            _log.warning("What was told of %s cannot be read", shown(self.watched["directory"]), exc_info=True)
            return {}


class Sayings:
    """Says what is wrong with a place once, and when it is no more."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._said: dict[str, str] = {}
        self.why_none = ""

    def say(self, place: str, what: str) -> None:
        """Say something of a place: the directory above all, or a partition."""
        if self._said.get(place) != what:
            self._said[place] = what
            path = place if place == self._watched.above else self._watched.path_of(place)
            _log.warning("%s %s", shown(path), shown(what))

    def none_counts(self, why: str) -> None:
        """Say why nothing in the directory can be ready, once: the name of a marker or of folders may be wrong."""
        if why and not self.why_none:
            _log.warning("Nothing in %s can be ready: %s", shown(self._watched.above), shown(why))
        self.why_none = why

    def is_well(self, place: str) -> None:
        """A place can be looked at."""
        if self._said.pop(place, None):
            self.say(place, "can be looked at again")
            self._said.pop(place)


async def states_there(watched: Watched, rounds: Rounds, sayings: Sayings) -> dict[str, str]:
    """The state of each partition that is there and may be ready: one round."""
    above = watched.above
    found = (await _seen(rounds, [above], lambda _: watched.list_there(), sayings)).get(above)
    if found is None:
        return {}
    seen = await _seen(rounds, found, watched.state_of, sayings)
    states = {name: state for name, state in seen.items() if state is not None}
    if not found:
        sayings.none_counts((await _seen(rounds, [above], lambda _: watched.why_none(), sayings)).get(above, ""))
    else:
        sayings.none_counts("" if states or not seen else watched.why_none_can_be_ready(len(found)))
    return states


async def look_at_each(watched: Watched, partitions: list[str], rounds: Rounds, sayings: Sayings) -> dict[str, Finding]:
    """Whether some partitions are ready; those that do not answer are left out."""
    return await _seen(rounds, partitions, watched.look_at, sayings)


async def _seen(rounds: Rounds, places: list[str], look: Callable[[str], Any], sayings: Sayings) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for place, what in (await rounds.over(places, look)).items():
        if isinstance(what, DiropsError | OSError):
            sayings.say(place, f"cannot be watched: {what}")
        else:
            sayings.is_well(place)
            seen[place] = what
    return seen
