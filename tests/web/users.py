"""Users of an Airflow that tells its DAGs apart, as the auth managers of real deployments do."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

ROLES = {"admin": "ADMIN", "viewer": "VIEWER", "narrow": "USER"}
"""``narrow`` reads and starts the DAG ``images`` and no other."""


def user(name: str) -> SimpleAuthManagerUser:
    """One of them."""
    return SimpleAuthManagerUser(username=name, role=ROLES[name])


class Users(SimpleAuthManager):
    """The auth manager."""

    def is_authorized_dag(self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None) -> bool:
        if user.username == "narrow" and (details is None or details.id != "images"):
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
