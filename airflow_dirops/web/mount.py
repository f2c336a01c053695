"""What Airflow mounts: the page, built at the first request, so that only api-servers pay for its imports."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class LazyPage:
    """An ASGI app; every Airflow process loads plugins, and most of them serve nothing."""

    @cached_property
    def _app(self) -> ASGIApp:
        from airflow_dirops.web.app import page_app

        return page_app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
