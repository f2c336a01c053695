"""What Airflow mounts: the page, built at the first request, so that only api-servers pay for its imports."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from airflow_dirops.runtime.links import PREFIX

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class LazyPage:
    """An ASGI app; every Airflow process loads plugins, and most of them serve nothing."""

    @cached_property
    def _app(self) -> ASGIApp:
        from airflow_dirops.web.app import page_app

        return page_app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root_path = scope.get("root_path", "")
        if scope["type"] == "http" and not scope["path"].startswith(f"{root_path}/"):
            # A proxy has taken the base path away, which Airflow's own pages bear too.
            scope = {**scope, "root_path": PREFIX}
        await self._app(scope, receive, send)
