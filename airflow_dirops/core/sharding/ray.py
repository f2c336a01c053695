"""Ray as an executor: it has none of its own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from importlib.util import find_spec
from typing import Any, TypeVar

from airflow_dirops.core.errors import ArgumentRefused

T = TypeVar("T")


class RayExecutor(Executor):
    """Runs each call as a task of the Ray cluster that this process is connected to, or of one that it starts here.

    :param options: of each task, as ``ray.remote`` takes them: ``num_cpus=4``, ``num_gpus=1``, ``max_retries=3``.
    :raises ArgumentRefused: if Ray is not installed.
    """

    def __init__(self, **options: Any) -> None:
        if find_spec("ray") is None:
            raise ArgumentRefused("Ray is not installed here: pip install ray, here and on its cluster")
        self._ray: Any = importlib.import_module("ray")
        self._options = options

    def submit(self, call: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a function called by a task of Ray's."""
        task = self._ray.remote(**self._options)(call) if self._options else self._ray.remote(call)
        future: Future[T] = task.remote(*args, **kwargs).future()
        return future
