"""A Redis and a PostgreSQL of our own on loopback, each for as long as a ``with`` block lasts."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from demo.cluster import free_port
from tests import needs

PACKAGES = ("airflow.providers.celery", "asyncpg", "psycopg2", "redis")
# PostgreSQL refuses to run as root; Debian's package brings a user for it.
OWNER = "postgres" if os.geteuid() == 0 else None


def need_servers() -> None:
    """Skip the test where they cannot be started, or not be talked to."""
    needs.packages("celery", *PACKAGES)
    needs.program("redis-server")
    _pg_ctl()


@contextmanager
def redis() -> Iterator[str]:
    """Start a Redis that keeps nothing; gives its URL."""
    from redis import Redis, exceptions
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with TemporaryDirectory() as folder, subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as server:
        try:
            patience = Retry(ConstantBackoff(0.1), 300, supported_errors=(exceptions.ConnectionError,))
            with Redis(port=port, retry=patience) as client:
                client.ping()
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


@contextmanager
def postgres() -> Iterator[str]:
    """Start a PostgreSQL with an empty database; gives its URL."""
    port = free_port()
    with TemporaryDirectory() as folder:
        if OWNER:
            shutil.chown(folder, OWNER, OWNER)
        _postgres("initdb", folder, "--username=airflow --auth=trust --encoding=UTF8 --no-locale --no-sync")
        _postgres("start", folder, f"-h 127.0.0.1 -p {port} -k '' -F")
        try:
            yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/postgres"
        finally:
            _postgres("stop", folder, mode="fast")


def _postgres(action: str, folder: str, options: str = "", mode: str | None = None) -> None:
    """Returns when it is done; an error shows what PostgreSQL printed."""
    log = Path(folder) / "log"
    command: list[Any] = [_pg_ctl(), action, "--pgdata", f"{folder}/data", "--options", options]
    if mode:
        command += ["--mode", mode]
    elif action == "start":
        command += ["--log", log]  # else the server would hold our pipe open
    owner: dict[str, Any] = {"user": OWNER, "group": OWNER, "extra_groups": []} if OWNER else {}
    done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **owner)
    assert done.returncode == 0, done.stdout + (log.read_text() if log.exists() else "")


def _pg_ctl() -> str:
    """Debian keeps it out of the PATH, one for each version."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parts[4]))
    return needs.program("pg_ctl", among=(*map(str, reversed(debian)), *os.get_exec_path()))
