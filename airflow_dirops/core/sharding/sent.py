"""A stage on its way to processes that share no memory with this one, with its functions.

Airflow imports a DAG file under a name that no other process can import, and a script's functions are of ``__main__``.
"""

from __future__ import annotations

import importlib
import pickle
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from importlib.util import find_spec
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused, DiropsError, SetupError
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.messages.tracebacks import described
from airflow_dirops.core.processes import pack_error, unpack_error
from airflow_dirops.core.stage.stage import Stage

# What is this process's own, or of the whole stage and not of one shard.
_STAYS = frozenset({"executor", "shards", "on_progress", "attempt", "run", "dry_run", "retention", "may_replace"})
_DAG_FILE = "unusual_prefix_"
_MEND = "Let the functions open what cannot be pickled where they are called"
_INSTALL = (
    "Functions of scripts, notebooks and DAG files, lambdas and closures are pickled with cloudpickle, which is not "
    "installed: pip install 'airflow-dirops[executors]', here and where the executor's processes run"
)


def packed(stage: Stage, code: Code | None) -> bytes:
    """A stage as bytes.

    :param code: its functions' own, since on another machine their source may not be found.
    :raises ArgumentRefused: if it cannot be pickled.
    """
    given = {
        field.name: getattr(stage, field.name) for field in fields(stage) if field.init and field.name not in _STAYS
    }
    cloudpickle = _cloudpickle()
    try:
        with _by_value(stage, cloudpickle):
            content: bytes = (cloudpickle or pickle).dumps((given, code))
            return content
    except Exception as error:
        raise ArgumentRefused(
            f"stage {stage.name} cannot be sent to the processes of executor=, since it cannot be pickled: "
            f"{described(error, 500)}. {_MEND if cloudpickle else _INSTALL}"
        ) from error


def unpacked(content: bytes) -> tuple[Stage, Code | None]:
    """The stage again.

    :raises SetupError: if this machine does not have what it needs.
    """
    try:
        given, code = pickle.loads(content)
        return Stage(**given), code
    except DiropsError:
        raise
    except Exception as error:
        raise SetupError(
            f"machine {socket.gethostname()!r}, process with Python {sys.version.split()[0]}, cannot load the stage: "
            f"{described(error, 500)}. Give it the same Python and the same packages as the machine that runs the "
            "stage, cloudpickle among them"
        ) from error


def answer_of(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a call came to, as plain values that any engine carries: not every error of ours can be pickled."""
    try:
        return {"sealed": call()}
    except Exception as error:
        return {"error": pack_error(error)}


def sealed_in(answer: dict[str, Any]) -> dict[str, Any]:
    """What a call has returned.

    :raises BaseException: what it has raised, if it has.
    """
    if "error" in answer:
        raise unpack_error(answer["error"])
    sealed: dict[str, Any] = answer["sealed"]
    return sealed


def _cloudpickle() -> Any:
    """The library that pickles functions by value, or None where it is not installed."""
    return importlib.import_module("cloudpickle") if find_spec("cloudpickle") else None


@contextmanager
def _by_value(stage: Stage, cloudpickle: Any) -> Iterator[None]:
    """Have the functions of modules that no other process can import pickled with all that they use there."""
    names = {getattr(function.function, "__module__", None) or "" for function in stage.functions}
    with ExitStack() as registered:
        for name in names if cloudpickle else ():
            if name.startswith(_DAG_FILE) and (module := sys.modules.get(name)):
                cloudpickle.register_pickle_by_value(module)
                registered.callback(cloudpickle.unregister_pickle_by_value, module)
        yield
