"""Open the raw file that failed: one that a manifest names, below a root, through no link, for whoever may see it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_dirops.core import find_line
from airflow_dirops.core.disk.held import HeldDirectory
from airflow_dirops.core.format.entries import path_problem
from airflow_dirops.core.format.lists import FILES
from airflow_dirops.core.format.manifest import HEADER
from airflow_dirops.web.access import Visitor
from airflow_dirops.web.asked import Asked
from airflow_dirops.web.opening import Location, Refusal, locate, opened


@contextmanager
def opened_input(source: str, snapshot: str | None, path: str, visitor: Visitor) -> Iterator[int]:
    """An input, as a descriptor.

    :param source: the absolute path of the directory that it was read from.
    :param snapshot: which snapshot of it; None for a directory that no stage wrote.
    :param path: of the input, in there.
    :raises Refusal: if it may not be opened, or is not there.
    """
    location = locate(Asked(target=source))
    if snapshot is not None:
        with opened(location, visitor, snapshot) as found:
            if find_line(found, FILES, path) is None:
                raise Refusal(404, f"{path!r} is not in the snapshot that it was read from.")
            with found.held.open(path) as file:
                yield file.fileno()
        return
    _check_owners(location, path, visitor)
    try:
        with HeldDirectory.open(Path(location.root.path)) as root, root.reading(f"{location.relative}/{path}") as file:
            yield file
    except OSError as error:
        raise Refusal(404, f"{path!r} cannot be opened: {error.strerror}.") from error


def _check_owners(location: Location, path: str, visitor: Visitor) -> None:
    """A folder that no stage wrote may lie in one that a stage did: then that stage's DAG decides as well."""
    if problem := path_problem(path):
        raise Refusal(404, f"There is no input {path!r}: {problem}.")
    parts = f"{location.relative}/{path}".split("/")
    for length in range(1, len(parts)):
        above = Location(location.root, "/".join(parts[:length]))
        if os.path.lexists(os.path.join(above.path, HEADER)):
            with opened(above, visitor):
                pass
