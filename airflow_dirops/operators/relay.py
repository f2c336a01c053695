"""The two tasks of a relay: tell Airflow of each partition that has become ready, once, and note that it was told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from airflow_dirops.core.messages.shown import shown
from airflow_dirops.runtime.context import run_start
from airflow_dirops.runtime.told import Told
from airflow_dirops.triggers.arrivals import Sayings, look_at_each, states_there
from airflow_dirops.triggers.rounds import Rounds
from airflow_dirops.triggers.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Asset, Context

    from airflow_dirops.triggers.finding import Finding

MOST_AT_ONCE = 50
"""How many partitions one run of a relay tells. The watcher asks for another run as long as there are more.

Airflow makes all events in the request that ends the task. After 5 s, ``[workers] execution_api_timeout``, the worker
asks again, and on SQLite the server then makes them twice. 500 took 3.6 s on a busy machine, with one DAG that they
start.
"""
_NAMED = 20


class TellArrivalsOperator(BaseOperator):
    """Makes an asset event, with its partition key, for each partition that is ready and was not told.

    :param watched: the fields of :class:`~airflow_dirops.triggers.watched.Watched`.
    :param seen: the asset whose state store says what was told.
    :param told: the asset that is told.
    """

    ui_color: str = "#efe6d8"

    def __init__(self, *, watched: dict[str, Any], seen: Asset, told: Asset, **kwargs: Any) -> None:
        super().__init__(inlets=[seen, told], outlets=[told], **kwargs)
        self.watched = watched
        self.seen = seen
        self.told = told

    def execute(self, context: Context) -> dict[str, Any]:
        """Look, note what is new, and tell it; Airflow makes the events if it takes this as a success."""
        told = Told(context["asset_state_store"][self.seen])
        told.settle(was_told=self._came_to_tell(told.unsettled(), context))
        new, why_none = asyncio.run(self._new(told))
        if not new:
            reason = f"nothing new is ready in {shown(self.watched['directory'])}: {shown(why_none)}"
            self.log.info("Skipped: %s", reason)  # Airflow says it too, but folded up in the log's page
            raise AirflowSkipException(reason)
        names = sorted(new)[:MOST_AT_ONCE]
        told.about_to_tell(context["run_id"], run_start(context).isoformat(), {name: new[name] for name in names})
        event = context["outlet_events"][self.told]
        event.add_partitions(names)
        event.extra = {"directory": self.watched["directory"], "arrived": len(names)}
        self.log.info("Told of %d of %d partitions: %s", len(names), len(new), shown(", ".join(names[:_NAMED])))
        return {"count": len(names), "left": len(new) - len(names), "partitions": names[:_NAMED]}

    def _came_to_tell(self, note: dict[str, Any] | None, context: Context) -> bool:
        if note is None:
            return False
        events = context["inlet_events"][self.told].after(note["since"])
        return any(event.source_run_id == note["run"] and event.source_dag_id == self.dag_id for event in events)

    async def _new(self, told: Told) -> tuple[dict[str, str], str]:
        """What is ready and was not told; and why that is nothing, if it is."""
        watched = Watched(**self.watched)
        sayings = Sayings(watched)
        rounds = Rounds(sayings.say)
        states = await states_there(watched, rounds, sayings)
        counting = {name: state for name, state in states.items() if watched.counts(name)}
        untold = {name: state for name, state in counting.items() if told.state_of(name) != state}
        found = await look_at_each(watched, [*untold], rounds, sayings)
        new = {name: untold[name] for name, finding in found.items() if finding.summary is not None}
        return new, sayings.why_none or _why_none(watched, len(states), len(counting), found)


def _why_none(watched: Watched, there: int, counting: int, found: Mapping[str, Finding]) -> str:
    """In one phrase, why there is nothing to tell.

    :param there: how many partitions may be ready.
    :param counting: how many of these are not before ``since``.
    :param found: what a look at those that were not told has come to.
    """
    if not there:
        return "there is no folder yet"
    if not counting:
        return f"all {there:,} that may be ready are before since={watched.since!r}"
    if not found:
        return f"all {counting:,} that may be ready were told before"
    name, finding = min(found.items())
    others = f", and {len(found) - 1:,} more are not ready" if len(found) > 1 else ""
    return f"{name!r} is not: {finding.lacking}{others}"


class NoteToldOperator(BaseOperator):
    """Notes that the task before it has told what it was about to tell.

    :param seen: the asset whose state store says what was told.
    """

    ui_color: str = "#efe6d8"

    def __init__(self, *, seen: Asset, **kwargs: Any) -> None:
        super().__init__(inlets=[seen], **kwargs)
        self.seen = seen

    def execute(self, context: Context) -> None:
        """Note it."""
        Told(context["asset_state_store"][self.seen]).settle(was_told=True)
