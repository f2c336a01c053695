"""While the user's functions run, Airflow itself is out of their reach.

A function is called once per file, and often in another process: asking Airflow for a variable there would be a
request per file, and two processes would talk through one channel at once and read each other's answers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from airflow.sdk._shared.secrets_masker import redact
from airflow.sdk.exceptions import AirflowSecretsBackendAccessDenied
from airflow.sdk.execution_time import task_runner

from airflow_dirops.core.errors import SetupError
from airflow_dirops.core.messages.shown import masked_by

_of_ours = threading.local()


# Airflow passes on no other error than this one from where it looks for variables and connections.
class AirflowOutOfReach(SetupError, AirflowSecretsBackendAccessDenied):
    """A function that is called for each file asked Airflow for something."""

    kind = "airflow-out-of-reach"


@contextmanager
def airflow_out_of_reach() -> Iterator[None]:
    """Refuse every request to Airflow from this process, and from those that are forked meanwhile.

    What Airflow masks in its logs is masked in manifests and errors too: passwords of connections, secret variables.
    """
    comms = task_runner.SUPERVISOR_COMMS
    task_runner.SUPERVISOR_COMMS = _OutOfReach(comms)  # type: ignore[assignment]
    try:
        with masked_by(lambda text: str(redact(text))):
            yield
    finally:
        task_runner.SUPERVISOR_COMMS = comms


@contextmanager
def in_reach() -> Iterator[None]:
    """Let what this thread itself asks of Airflow through; no function of the user's may be called meanwhile."""
    _of_ours.asks = True
    try:
        yield
    finally:
        _of_ours.asks = False


class _OutOfReach:
    def __init__(self, comms: Any) -> None:
        self._comms = comms

    def send(self, msg: Any) -> Any:
        if getattr(_of_ours, "asks", False):
            return self._comms.send(msg)
        raise AirflowOutOfReach(_message(msg))

    async def asend(self, msg: Any) -> NoReturn:
        raise AirflowOutOfReach(_message(msg))


def _message(request: Any) -> str:
    return (
        f"a function that is called for each file asked Airflow for something ({type(request).__name__} "
        f"{getattr(request, 'key', None) or getattr(request, 'conn_id', '')!r}), as Variable.get, a connection, a hook "
        "or an XCom do; read it in the DAG, once, and pass it to the function: with params=, or with functools.partial"
    )
