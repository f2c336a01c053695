"""What relative paths are below: ``[dirops] root``, or the root that a connection names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_dirops.core import errors
from airflow_dirops.core.stage.locations import checked_path
from airflow_dirops.runtime import settings

CONNECTION_TYPE = "dirops_root"
_FORM = "Admin, Connections"
_IN_VARIABLES = (
    f'In a variable such as AIRFLOW_CONN_DISK write {{"conn_type": "{CONNECTION_TYPE}", "extra": {{"path": "/data"}}}} '
    "or the URI dirops-root://?path=%2Fdata, since a URI takes no underscore there"
)


class Root(NamedTuple):
    """A root, and where it is said.

    :param path: None where there is none.
    :param name: what says it, for messages.
    """

    path: str | None
    name: str

    @property
    def told(self) -> str | None:
        """For messages: which root that is."""
        return f"{self.name} is {self.path!r}" if self.path else None

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Where a source is not there, say below which root it was looked for: it may be the wrong one."""
        try:
            yield
        except (errors.SourceMissing, errors.ManifestMissing) as error:
            if self.told:
                error.args = (f"{error}. Relative paths are below a root: {self.told} here", *error.args[1:])
            raise


def root_of(root_conn_id: str | None) -> Root:
    """The root of an operator or sensor.

    :param root_conn_id: the connection that it names, if it does.
    :raises ArgumentRefused: if that connection cannot be used.
    """
    if root_conn_id is None:
        return Root(settings.root(), "[dirops] root")
    return Root(connected_root(root_conn_id), f"the path of the connection {root_conn_id!r}")


def check_root_conn_id(root_conn_id: Any) -> None:
    """Refuse what can be no connection's id.

    :param root_conn_id: what the DAG file says.
    """
    if root_conn_id is not None and (not isinstance(root_conn_id, str) or not root_conn_id.strip()):
        raise errors.ArgumentRefused(
            f"root_conn_id={root_conn_id!r} is no connection's id; give the id of a connection of the type "
            "'Directory root', or leave it out: then relative paths are below [dirops] root"
        )


def connected_root(root_conn_id: str, where: str | None = None) -> str:
    """The directory that a connection names.

    :param root_conn_id: its id.
    :param where: what messages call it; by default by its id.
    :raises ArgumentRefused: if it is not there, is of another type, or has no absolute path.
    """
    variable = f"AIRFLOW_CONN_{root_conn_id.upper()}"
    try:
        connection = BaseHook.get_connection(root_conn_id)
    except AirflowNotFoundException as error:
        # Airflow passes over a variable that it cannot read.
        if os.environ.get(variable):
            raise errors.ArgumentRefused(
                f"root_conn_id={root_conn_id!r}: the environment variable {variable} cannot be read as a connection. "
                f"{_IN_VARIABLES}"
            ) from error
        raise errors.ArgumentRefused(
            f"root_conn_id={root_conn_id!r}: there is no such connection; add it in {_FORM}, with the type "
            "'Directory root', or with airflow connections add"
        ) from error
    where = where or f"the connection {root_conn_id!r}"
    if not connection.conn_type:
        raise errors.ArgumentRefused(f"{where} has no type; choose 'Directory root' in {_FORM}. {_IN_VARIABLES}")
    if connection.conn_type != CONNECTION_TYPE:
        raise errors.ArgumentRefused(
            f"{where} is of the type {connection.conn_type!r}; root_conn_id= takes one of the type 'Directory root' "
            f"({CONNECTION_TYPE})"
        )
    extra: Any = connection.extra_dejson
    if not isinstance(extra, dict):
        raise errors.ArgumentRefused(
            f"{where} has an extra that is a {type(extra).__name__}, and no JSON object; fill in Path in {_FORM}. "
            f"{_IN_VARIABLES}"
        )
    return _checked(extra.get("path"), where)


def _checked(path: Any, where: str) -> str:
    if not isinstance(path, str) or not path.strip():
        raise errors.ArgumentRefused(f"{where} has no path; fill in Path in {_FORM}. {_IN_VARIABLES}")
    if "://" in path:
        raise errors.ArgumentRefused(f"{where} has the path {path!r}, a URL; only mounted file systems can be used")
    if not os.path.isabs(path) and not path.startswith("~"):
        raise errors.ArgumentRefused(f"{where} has the path {path!r}, which is relative; make it absolute")
    return checked_path(f"the path of {where}", path)
