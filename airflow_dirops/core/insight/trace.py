"""Where a file comes from, and what became of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

from airflow_dirops.core.errors import ManifestMissing, SourceMissing, remaining_storage_errors
from airflow_dirops.core.insight.backward import Backward
from airflow_dirops.core.insight.forward import Forward
from airflow_dirops.core.insight.headers import read_headers
from airflow_dirops.core.insight.lineage import TracedFile
from airflow_dirops.core.insight.within import find_target_of
from airflow_dirops.core.stage.locations import checked_path

_MOST = 20
_MOST_FILES = 2_000


def trace(path: str | os.PathLike[str], *, most: int = _MOST, most_files: int = _MOST_FILES) -> TracedFile:
    """Follow a file back through every stage to the raw files that it was made of.

    Each stage's input is looked up in the very snapshot that was read, as long as that is kept.

    :param path: a file in a target; also one that was deleted, and one in a snapshot that was replaced.
    :param most: how many inputs of one file are followed.
    :param most_files: how many files in all.
    :raises SourceMissing: if there is no such file, and no target that lists it.
    :raises ManifestDamaged: if the lists of its target cannot be read.
    """
    real = _real(path)
    with remaining_storage_errors(real):
        within = find_target_of(real)
        if within is None:
            return _raw(real)
        with closing(within.held):
            traced = Backward(most, most_files).of_entry(within.target, within.held, within.path)
    if traced.state == "unlisted" and not os.path.lexists(real):
        raise SourceMissing(f"there is no file {real!r}, and the manifest of {within.target!r} does not list it")
    return traced


def trace_forward(
    path: str | os.PathLike[str],
    roots: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    most: int = _MOST,
    most_files: int = _MOST_FILES,
) -> TracedFile:
    """Follow a file on through every stage to all that it became, in what is current now.

    One header is read of each target below the roots, and the lists of those that read the file's folder.

    :param path: a raw file, which may be gone; or a file in a target.
    :param roots: folders below which it is looked for targets that read it.
    :param most: how many outputs of one file are followed.
    :param most_files: how many files in all.
    :raises SourceMissing: if there is no such file, and no target was made of it.
    """
    real = _real(path)
    several = [roots] if isinstance(roots, str | os.PathLike) else [*roots]
    headers = read_headers(several)
    with remaining_storage_errors(real):
        start = _start(real)
        outputs, more = Forward(headers, most, most_files).outputs(real, start.digest)
    if start.state == "gone" and not outputs:
        where = ", ".join(map(str, several))
        raise SourceMissing(f"there is no file {real!r}, and nothing below {where} was made of it")
    return replace(start, outputs=outputs, more=more)


def _start(real: str) -> TracedFile:
    try:
        within = find_target_of(real)
    except ManifestMissing:
        within = None
    if within is None:
        return _raw(real) if os.path.lexists(real) else TracedFile(real, "gone", "there is no such file any more")
    with closing(within.held):
        return Backward(0, 1).of_entry(within.target, within.held, within.path)


def _raw(real: str) -> TracedFile:
    try:
        status = os.stat(real)
    except FileNotFoundError as error:
        raise SourceMissing(f"there is no file {real!r}") from error
    return TracedFile(real, "raw", "no stage made it", size=status.st_size)


def _real(path: str | os.PathLike[str]) -> str:
    """A path without links on the way; the file itself may be one."""
    folder, name = os.path.split(checked_path("path", path))
    return os.path.join(os.path.realpath(folder), name)
