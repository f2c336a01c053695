"""Whether a task's process may start others with ``multiprocessing``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import current_process


@contextmanager
def may_have_children() -> Iterator[None]:
    """Allow it where a Celery worker forbids it, for as long as the block lasts.

    Its pool marks processes as daemonic, and those may have no children, which nobody would end. A task's process is no
    longer that pool's: Airflow has forked it, and ends it with all that it started.
    """
    process = current_process()
    marked = process.daemon
    process.daemon = False
    try:
        yield
    finally:
        process.daemon = marked
