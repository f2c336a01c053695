"""Airflow's REST API with the standard library: enough to start runs and to watch them."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

_OPENER = build_opener(ProxyHandler({}))  # loopback never goes through a proxy


class ApiError(Exception):
    """The server said no, or nothing."""


class Api:
    """The public API of one Airflow.

    :param url: where the api-server listens, such as ``http://127.0.0.1:8080``.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.headers = {"Content-Type": "application/json"}

    def log_in(self, user: str, password: str) -> None:
        """Be a user from now on, where somebody has to."""
        body = json.dumps({"username": user, "password": password}).encode()
        answer = self._open(Request(f"{self.url}/auth/token", body, self.headers, method="POST"))
        self.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def get(self, *path: str, **query: Any) -> Any:
        return self._send("GET", path, query=query)

    def post(self, *path: str, body: Any) -> Any:
        return self._send("POST", path, body=body)

    def patch(self, *path: str, body: Any) -> Any:
        return self._send("PATCH", path, body=body)

    def put(self, *path: str, body: Any = None) -> Any:
        return self._send("PUT", path, body=body)

    def knock(self) -> None:
        """Have the server build the API that tasks talk to: it does so at the first request, for seconds."""
        self._open(Request(f"{self.url}/execution/health"))

    def _send(self, method: str, path: tuple[str, ...], query: Any = None, body: Any = None) -> Any:
        """Each part of the path is quoted: run ids hold ``+`` and ``:``."""
        where = "/api/v2/" + "/".join(quote(part, safe="") for part in path)
        target = self.url + where + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        return self._open(Request(target, data, self.headers, method=method))

    def _open(self, request: Request, tries: int = 3) -> Any:
        try:
            with _OPENER.open(request, timeout=60) as response:
                return json.load(response)
        except HTTPError as error:
            # The server writes its audit log where it also commits what tasks report; on SQLite the two
            # can block each other until SQLite gives up after five seconds, with nothing changed.
            if error.code == 500 and tries > 1:
                return self._open(request, tries - 1)
            answer = error.read().decode(errors="replace")
            raise ApiError(f"{request.get_method()} {request.full_url}: {error.code} {answer}") from error
        except OSError as error:
            raise ApiError(f"{request.get_method()} {request.full_url}: {error}") from error
