"""Who asks, what they may see and do, and which directories the page may open: all that it takes from Airflow.

Airflow promises none of these names to plugins, so that they are in this file only. An app that a plugin mounts is
not authenticated by itself, and has no ``app.state.auth_manager``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from airflow.models import Connection
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from fastapi import Depends
from sqlalchemy import select

from airflow_dirops.runtime import settings
from airflow_dirops.runtime.roots import CONNECTION_TYPE

authenticated = Depends(get_user)
"""Lets nobody in whom Airflow does not know: 401."""


class Visitor:
    """Somebody whom Airflow has authenticated.

    :param user: as Airflow's auth manager knows them.
    """

    def __init__(self, user: BaseUser) -> None:
        self._user = user
        self._may_read: dict[str, bool] = {}

    def may_read(self, dag_id: str) -> bool:
        """Whether they may read what a DAG wrote.

        :param dag_id: empty for what no DAG wrote: whoever may read DAGs without exception may read that.
        """
        if dag_id not in self._may_read:
            self._may_read[dag_id] = get_auth_manager().is_authorized_dag(
                method="GET", details=_details(dag_id), user=self._user
            )
        return self._may_read[dag_id]

    def may_trigger(self, dag_id: str) -> bool:
        """Whether they may start a run of a DAG. Only what the page offers depends on it: Airflow asks itself."""
        return bool(dag_id) and get_auth_manager().is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, details=_details(dag_id), user=self._user
        )


def visitor(user: Annotated[BaseUser, authenticated]) -> Visitor:
    """The one who asks."""
    return Visitor(user)


Asking = Annotated[Visitor, Depends(visitor)]


def iter_roots() -> Iterator[tuple[str, str]]:
    """The directories that the page may open, by name: ``[dirops] root`` without one, connections by their ids.

    Of connections those in Airflow's database: secrets backends cannot be listed.
    """
    if root := settings.root():
        yield "", root
    with create_session() as session:
        found = session.scalars(select(Connection).where(Connection.conn_type == CONNECTION_TYPE))
        connected = sorted((str(each.conn_id), each.extra_dejson.get("path")) for each in found)
    yield from ((name, path) for name, path in connected if isinstance(path, str))


def _details(dag_id: str) -> DagDetails | None:
    return DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id)) if dag_id else None
