"""The api-server's own app, with the page mounted by Airflow, upon real directories."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_dirops.core import Attempt, LogicalRun, Outcome, read_directory
from airflow_dirops.testing.airflow_home import use_database
from airflow_dirops.testing.plugin import airflow_database

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

__all__ = ["airflow_database"]

BASE = "/team"
"""Airflow is not at the root of its host: whatever the page links to must work there too."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Airflow and its stack warn as they like; our own code must not."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for rule in ("default", "error:::airflow_dirops"):
                item.add_marker(pytest.mark.filterwarnings(rule))


@pytest.fixture(scope="session")
def airflow_app(airflow_database: Path) -> Any:
    """Made once, as that takes seconds; what it was made with is nothing to other tests."""
    use_database(airflow_database)
    import airflow.api_fastapi.app as api

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "tests.web.users.Users")
        patch.setattr(api, "API_ROOT_PATH", f"{BASE}/")
        return api.create_app("core")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``[dirops] root``."""
    path = tmp_path / "data"
    path.mkdir()
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", str(path))
    return path


class Browser:
    """Somebody at the page.

    :param app: Airflow's.
    :param name: of a user; empty for somebody whom Airflow does not know.
    """

    def __init__(self, app: Any, name: str) -> None:
        from airflow.api_fastapi.app import get_auth_manager
        from fastapi.testclient import TestClient

        from tests.web.users import user

        cookies = {"_token": get_auth_manager().generate_jwt(user(name))} if name else {}
        self.client: TestClient = TestClient(app, base_url="http://testserver", cookies=cookies)
        self.status = 0
        self.html = ""

    def open(self, page: str, **fields: str) -> Browser:
        answer = self.client.get(f"{BASE}/dirops/{page}", params=fields or None)
        self.status, self.html, self.headers = answer.status_code, answer.text, answer.headers
        return self

    @property
    def text(self) -> str:
        """What can be read."""
        body = re.sub(r"<(style|script)\b.*?</\1>", " ", self.html, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())

    def links(self, page: str) -> list[str]:
        return [unescape(link) for link in re.findall(rf'href="({page}\?[^"]*)"', self.html)]


@pytest.fixture
def browser(airflow_app: Any, root: Path) -> Callable[..., Browser]:
    """Somebody at the page, by name."""
    return lambda name="admin": Browser(airflow_app, name)


def commit(root: Path, target: str, *, dag_id: str = "images", source: str = "raw", **options: Any) -> Outcome:
    """What a task of a DAG commits."""
    given = {"read": lambda path: Path(path).read_text(), "codec": "text", "durability": "process", **options}
    attempt = Attempt(run=LogicalRun(dag_id=dag_id, run_id="manual__1", task_id="read"))
    stage = f"{dag_id}.read"
    return read_directory(source=root / source, target=root / target, attempt=attempt, stage=stage, **given)
