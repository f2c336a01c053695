"""The connection type "Directory root": where relative paths of DAGs lie."""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import BaseHook

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.runtime.roots import CONNECTION_TYPE, connected_root


class DirectoryRootHook(BaseHook):
    """A directory that relative paths are below, kept as a connection.

    :param root_conn_id: the connection's id.
    """

    conn_name_attr = "root_conn_id"
    default_conn_name = "dirops_root_default"
    conn_type = CONNECTION_TYPE
    hook_name = "Directory root"

    def __init__(self, root_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root_conn_id = root_conn_id

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Which of the form's fields are of use."""
        return {
            "hidden_fields": ["host", "schema", "port", "login", "password", "extra"],
            "relabeling": {},
            "placeholders": {},
        }

    def get_conn(self) -> str:
        """The directory.

        :raises ArgumentRefused: if the connection is not there, is of another type, or has no absolute path.
        """
        return connected_root(self.root_conn_id)

    def test_connection(self) -> tuple[bool, str]:
        """Whether the directory can be used, as seen from the machine that is asked."""
        try:
            # Airflow tries what is in its form under a made-up id.
            path = connected_root(self.root_conn_id, "this connection")
        except DiropsError as error:
            return False, str(error)
        try:
            with os.scandir(path) as entries:
                next(entries, None)
        except OSError as error:
            return False, f"{path!r} cannot be read on this machine: {error.strerror}"
        if not os.access(path, os.W_OK | os.X_OK):
            return True, f"{path!r} can be read on this machine, but not written: it serves as a source only"
        return True, f"{path!r} can be read and written on this machine; workers must see it too"
