"""Find the targets below a folder.

A target is a directory with a manifest, or a name with a control directory: what is left of one that was deleted, or
what a first attempt that failed has left. Below a folder, a name where stages were only skipped is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from airflow_dirops.core.errors import StorageError
from airflow_dirops.core.format.entries import CONTROL_DIRECTORY
from airflow_dirops.core.format.manifest import HEADER
from airflow_dirops.core.place.place import FoundTarget
from airflow_dirops.core.places.directory.place import DirectoryPlace


def is_target(path: str) -> bool:
    """Whether a stage has committed there, or tried to."""
    real = os.path.realpath(path)
    return os.path.lexists(os.path.join(real, HEADER)) or os.path.isdir(
        os.path.join(os.path.dirname(real), CONTROL_DIRECTORY, os.path.basename(real))
    )


def was_skipped(path: str) -> bool:
    """Whether stages have been at work there, and none had anything to publish."""
    parent, name = os.path.split(path)
    return os.path.isdir(os.path.join(parent, CONTROL_DIRECTORY, name)) and not DirectoryPlace(path).has_remains()


def iter_targets(folder: str) -> Iterator[FoundTarget | None]:
    """The targets below a folder, in order; None for every folder looked at, so that the caller may stop.

    Hidden folders are left out, and links to folders that are no targets.
    """
    top = os.path.realpath(folder)
    waiting = [(folder, is_target(folder))]
    while waiting:
        path, is_one = waiting.pop()
        yield None
        if is_one:
            yield FoundTarget(path)
            continue
        try:
            folders, gone = _look_into(path, top)
        except OSError as error:
            yield FoundTarget(path, StorageError("looking for targets in", path, error))
            continue
        left = (os.path.join(path, name) for name in gone)
        yield from (FoundTarget(each) for each in left if DirectoryPlace(each).has_remains())
        waiting.extend((os.path.join(path, name), folders[name]) for name in sorted(folders, reverse=True))


def _look_into(path: str, top: str) -> tuple[dict[str, bool], list[str]]:
    """The folders in a folder, each with whether it is a target, and the targets that have a control directory only."""
    with os.scandir(path) as entries:
        names = {entry.name: entry for entry in entries if _is_folder(entry)}
    controlled = _names_in(os.path.join(path, CONTROL_DIRECTORY)) if CONTROL_DIRECTORY in names else set()
    folders = {}
    for name, entry in names.items():
        if entry.is_symlink():
            if _is_linked_target(entry.path, top):
                folders[name] = True
        elif name in controlled or not name.startswith("."):
            folders[name] = name in controlled or os.path.lexists(os.path.join(entry.path, HEADER))
    return folders, sorted(controlled - names.keys())


def _names_in(control: str) -> set[str]:
    with os.scandir(control) as entries:
        return {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads nowhere, or in a circle


def _is_linked_target(link: str, top: str) -> bool:
    # One that lies below the top as well is found by its own name.
    return is_target(link) and not Path(os.path.realpath(link)).is_relative_to(top)
