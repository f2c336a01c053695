"""Where the page about a target is, for whoever links to it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

    from airflow_dirops.core import Outcome

PREFIX = "/dirops"
"""Where Airflow mounts the page, below its own URL."""

ROUTE = "dirops"
"""The page inside Airflow's frame is at ``plugin/dirops``, and what is shown there follows in the address."""


class SnapshotLink(BaseOperatorLink):
    """From a stage's task to the page about what it committed, or about what kept it from that."""

    name = "Snapshot"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address, for a task that has ended, well or not.

        :param operator: a stage, with its fields rendered.
        :param ti_key: which run of it.
        """
        stage: Any = operator
        if not os.path.isabs(str(stage.target)):
            return ""  # it was not rendered; an empty link is not shown
        outcome = stage.outcome
        fields = {
            **_what(stage, outcome),
            "dag_id": ti_key.dag_id,
            "run_id": ti_key.run_id,
            "task_id": ti_key.task_id,
            "map_index": ti_key.map_index if ti_key.map_index >= 0 else None,
        }
        return page_link("snapshot" if outcome else "failures", fields)


def snapshot_address(operator: BaseOperator, outcome: Outcome, page: str = "snapshot") -> str:
    """The whole address of the page about a snapshot, for those who read it elsewhere than in Airflow's own pages.

    :param operator: the stage that committed it, with its fields rendered.
    :param outcome: what it came to.
    :param page: which of the pages about it.
    """
    base = urlsplit(conf.get("api", "base_url", fallback=""))
    host = f"{base.scheme}://{base.netloc}" if base.netloc else ""
    return host + page_link(page, _what(operator, outcome))


def page_link(page: str, fields: dict[str, Any]) -> str:
    """A link to the page, inside Airflow's frame; relative to Airflow's own address.

    :param page: its name.
    :param fields: what it is about; those that are None are left out.
    """
    base = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    said = "&".join(f"{name}={quote(os.fsencode(str(value)))}" for name, value in fields.items() if value)
    return f"{base}/plugin/{ROUTE}{base}{PREFIX}/{page}?{said}"


def _what(stage: Any, outcome: Outcome | None) -> dict[str, str | None]:
    return {
        **_named(str(stage.target), stage.root.path, stage.root_conn_id),
        "snapshot": outcome.snapshot if outcome else None,
    }


def _named(target: str, root: str | None, root_conn_id: str | None) -> dict[str, str]:
    """Below its root, which may be mounted elsewhere on the api-server."""
    target = os.path.normpath(target)
    if root and (relative := os.path.relpath(target, root)).split("/")[0] != "..":
        return {"root": root_conn_id or "", "target": relative}
    return {"target": target}
