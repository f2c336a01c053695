"""The two tasks of a relay: tell Airflow of each partition that has become ready, once, and note that it was told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from airflow_dirops.core.messages.shown import shown
from airflow_dirops.runtime.context import run_start
from airflow_dirops.runtime.told import Told
from airflow_dirops.triggers.arrivals import Sayings, states_there, who_is_ready
from airflow_dirops.triggers.rounds import Rounds
from airflow_dirops.triggers.watched import Watched

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

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
        new = asyncio.run(self._new(told))
        if not new:
            raise AirflowSkipException(f"nothing new is ready in {shown(self.watched['directory'])}")
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

    async def _new(self, told: Told) -> dict[str, str]:
        watched = Watched(**self.watched)
        sayings = Sayings(watched)
        rounds = Rounds(sayings.say)
        states = await states_there(watched, rounds, sayings)
        untold = {
            name: state for name, state in states.items() if watched.counts(name) and told.state_of(name) != state
        }
        ready = await who_is_ready(watched, [*untold], rounds, sayings)
        return {name: untold[name] for name, is_ready in ready.items() if is_ready}


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
