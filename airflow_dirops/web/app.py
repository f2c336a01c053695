"""The page as an app: who gets in, what every answer carries, and what stands where something went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.web.access import authenticated
from airflow_dirops.web.opening import Refusal, Unseen
from airflow_dirops.web.pages import ROUTERS
from airflow_dirops.web.rendering import render

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}


def page_app() -> FastAPI:
    """The app. Airflow mounts it, and authenticates nobody for it: everything in it asks Airflow's auth manager."""
    app = FastAPI(title="airflow-dirops", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[authenticated])
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(_WithHeaders)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(DiropsError, _failed)
    app.add_exception_handler(HTTPException, _unauthorised)
    return app


class _WithHeaders:
    """Adds to every answer what keeps others' text from acting in it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _refused(request: Request, error: Any) -> Response:
    run = _run_in(request) if isinstance(error, Unseen) else None
    return render("refusal.html", error.status, message=str(error), run=run)


def _failed(request: Request, error: Any) -> Response:  # noqa: ARG001
    return render("refusal.html", 404, message=str(error), run=None)


def _unauthorised(request: Request, error: Any) -> Response:  # noqa: ARG001
    said = {
        401: "You are not logged in. Log in to Airflow, then open this page again.",
        403: "Airflow does not let you see this.",
    }
    return render("refusal.html", error.status_code, message=said.get(error.status_code, error.detail), run=None)


def _run_in(request: Request) -> dict[str, str] | None:
    """Which task instance the address is of, for what Airflow knows of it."""
    names = ("dag_id", "run_id", "task_id", "map_index")
    run = {name: request.query_params.get(name, "") for name in names}
    return run if run["dag_id"] and run["run_id"] and run["task_id"] else None
