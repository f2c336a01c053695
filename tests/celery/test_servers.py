"""The servers that the tests start do not outlive them."""

from __future__ import annotations

import signal
import socket
import time
from urllib.parse import urlsplit

from tests.celery.servers import need_servers
from tests.core.children import run_python

KILLED = """
import os, signal
from tests.celery.servers import postgres, redis

with redis() as broker, postgres() as database:
    print(broker, database, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_they_end_with_a_test_run_that_is_killed() -> None:
    need_servers()
    done = run_python(KILLED, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    ports = [urlsplit(url).port or 0 for url in done.stdout.split()]
    assert len(ports) == 2
    while any(map(_answers, ports)):
        time.sleep(0.1)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
