"""A Redis and a PostgreSQL of our own on loopback, each for as long as a ``with`` block lasts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from demo.cluster import free_port
from tests import needs

PACKAGES = ("airflow.providers.celery", "asyncpg", "psycopg2", "redis")
# PostgreSQL refuses to run as root; Debian's package brings a user for it.
OWNER = "postgres" if os.geteuid() == 0 else None


def need_servers() -> None:
    """Skip the test where they cannot be started, or not be talked to."""
    needs.packages("celery", *PACKAGES)
    needs.programs("setpriv", "redis-server")
    pg_ctl()


@contextmanager
def redis() -> Iterator[str]:
    """Start a Redis that keeps nothing; gives its URL."""
    from redis import Redis, exceptions
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with TemporaryDirectory() as folder, _served(folder, signal.SIGTERM, *command):
        patience = Retry(ConstantBackoff(0.1), 300, supported_errors=(exceptions.ConnectionError,))
        with Redis(port=port, retry=patience) as client:
            client.ping()
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def postgres() -> Iterator[str]:
    """Start a PostgreSQL with an empty database; gives its URL."""
    port = free_port()
    programs, owner = Path(pg_ctl()).parent, ()
    with TemporaryDirectory() as folder:
        if OWNER:
            shutil.chown(folder, OWNER, OWNER)
            owner = ("--reuid", OWNER, "--regid", OWNER, "--clear-groups")
        data = f"{folder}/data"
        settings = ("--username=airflow", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        _run(folder, "setpriv", *owner, programs / "initdb", "--pgdata", data, *settings)
        where = ("-h", "127.0.0.1", "-p", str(port))
        # SIGINT: it does not wait for its clients.
        with _served(folder, signal.SIGINT, programs / "postgres", "-D", data, *where, "-k", "", "-F", owner=owner):
            _run(folder, programs / "pg_isready", *where, "--timeout=0", patience=30)
            yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/postgres"


@contextmanager
def _served(folder: str, end: signal.Signals, *command: str | Path, owner: Sequence[str] = ()) -> Iterator[None]:
    """Run a server, which ends with this process, too, however that ends.

    :param end: the signal that ends it.
    :param owner: whom ``setpriv`` makes its user.
    """
    tied = ["setpriv", *owner, "--pdeathsig", end.name.removeprefix("SIG"), *command]
    with (
        open(Path(folder) / "log", "wb") as log,
        subprocess.Popen(tied, cwd=folder, stdout=log, stderr=log) as server,
    ):
        try:
            yield
        finally:
            server.send_signal(end)


def _run(folder: str, *command: str | Path, patience: float = 0) -> None:
    """Run a command until it succeeds; an error shows what was printed, by a server too.

    :param patience: seconds.
    """
    until = time.monotonic() + patience
    while (done := subprocess.run(command, cwd=folder, capture_output=True, text=True)).returncode:
        log = Path(folder) / "log"
        assert time.monotonic() < until, done.stdout + done.stderr + (log.read_text() if log.exists() else "")
        time.sleep(0.1)


def pg_ctl() -> str:
    """PostgreSQL's own program, beside which the others are: Debian keeps it out of the PATH, one for each version."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parts[4]))
    return needs.program("pg_ctl", among=(*map(str, reversed(debian)), *os.get_exec_path()))
