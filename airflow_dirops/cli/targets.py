"""From what a person typed or pasted to the targets that are meant.

A relative path is looked up below the working directory, and below ``[dirops] root`` as in a DAG. A target is a
directory with a manifest, or a name with a control directory: what is left of one that was deleted, or what a first
attempt that failed has left. Below a folder, a name where stages were only skipped is none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from airflow_dirops.cli.output import note
from airflow_dirops.cli.settings import config_file, setting, variable_of
from airflow_dirops.core.errors import ArgumentRefused, DiropsError, ManifestMissing, SourceMissing, StorageError
from airflow_dirops.core.format.entries import CONTROL_DIRECTORY
from airflow_dirops.core.format.manifest import HEADER
from airflow_dirops.core.upkeep import has_remains
from airflow_dirops.core.upkeep.door import part_of_target
from airflow_dirops.runtime.paths import absolute_path

_MAX_COUNTED = 1000
_MAX_FOLDERS = 10_000


class Found(NamedTuple):
    """A target, or why there is none.

    :param place: its path, or what was typed.
    :param error: why it cannot be looked after.
    :param note: what else might have been meant.
    """

    place: str
    error: DiropsError | None = None
    note: str | None = None

    def checked(self) -> str:
        """Its path, once what there is to say about it has been said.

        :raises DiropsError: if it cannot be looked after.
        """
        if self.error is not None:
            raise self.error
        if self.note:
            note(f"this is {self.place!r}; {self.note}")
        return self.place


class Looked(NamedTuple):
    """Where a path that was typed may lie.

    :param places: below the working directory first.
    :param where: the same as a phrase, for messages.
    """

    places: list[str]
    where: str


def find_targets(typed: list[str], *, recursive: bool) -> Iterator[Found]:
    """The targets that paths stand for, one at a time.

    :param recursive: a folder stands for all targets below it.
    """
    for each in typed:
        try:
            yield from _targets_at(each, recursive=recursive)
        except DiropsError as error:
            yield Found(each, error)


def find_target(typed: str) -> str:
    """The target that was typed.

    :returns: the path of one target.
    :raises ManifestMissing: if there is none.
    """
    (found,) = _targets_at(typed, recursive=False)
    return found.checked()


def find_source(typed: str) -> str:
    """The source that was typed.

    :returns: the path of a directory that a stage may read.
    :raises SourceMissing: if there is no such directory.
    """
    looked = look_up(typed)
    if place := _first(os.path.exists, looked.places):
        return place
    raise SourceMissing(f"there is no source {typed!r}{_nearest(looked.places)}: looked in {looked.where}")


def find_planned_target(typed: str) -> str:
    """The target that was typed, for a stage that may be its first.

    :returns: the path of a target that may not be there yet.
    :raises ArgumentRefused: if it can be none.
    """
    looked = look_up(typed)
    place = _first(is_target, looked.places) or _first(os.path.exists, looked.places)
    # What is not there yet is where a DAG would make it, if this is the root that DAGs have.
    return place or looked.places[-1]


def look_up(typed: str) -> Looked:
    """The places that a typed path may stand for.

    :raises ArgumentRefused: if it cannot be a path, or lies below a root that cannot be used.
    """
    path = os.path.expanduser(typed)
    _refuse_templates(typed)
    if not path.strip() or "\0" in path:
        raise ArgumentRefused(f"{typed!r} names nothing; give the path of a directory")
    here = os.path.abspath(path)
    if os.path.isabs(path):
        return Looked([here], repr(here))
    if (root := setting("root")) is None:
        how = f"{variable_of('root')}, or root in the section [dirops] of {config_file()}"
        return Looked([here], f"{here!r}; there is no [dirops] root here to look below ({how})")
    below = os.path.normpath(absolute_path(f"root={root.value!r} ({root.origin}) below", path, root.value))
    if below == here:
        return Looked([here], repr(here))
    return Looked([here, below], f"{here!r} and, below [dirops] root ({root.origin}), in {below!r}")


def is_target(path: str) -> bool:
    """Whether a stage has committed there, or tried to."""
    real = os.path.realpath(path)
    return os.path.lexists(os.path.join(real, HEADER)) or os.path.isdir(
        os.path.join(os.path.dirname(real), CONTROL_DIRECTORY, os.path.basename(real))
    )


def iter_below(folder: str) -> Iterator[Found]:
    """Every target below a folder, in order; hidden folders and links to folders that are no targets aside.

    A folder that cannot be read is told of as an error, and the rest is looked at.
    """
    return (each for each in _walk(folder) if each is not None)


def _targets_at(typed: str, *, recursive: bool) -> Iterator[Found]:
    looked = look_up(typed)
    if targets := list(filter(is_target, looked.places)):
        yield Found(targets[0], note=f"{targets[1]!r} is a target too" if targets[1:] else None)
        return
    folder = _first(os.path.isdir, looked.places)
    if folder is None:
        if place := _first(os.path.exists, looked.places):
            raise ManifestMissing(f"{place!r} is a file; a target is a directory that a stage committed")
        raise ManifestMissing(f"there is no target {typed!r}{_nearest(looked.places)}: looked in {looked.where}")
    if refusal := part_of_target(folder):
        raise ManifestMissing(refusal)
    if not recursive:
        raise ManifestMissing(f"{folder!r} has no manifest, so no stage committed it{_advice(folder)}")
    found = False
    for each in iter_below(folder):
        found = True
        yield each
    if not found:
        raise ManifestMissing(f"{folder!r} holds no target, at no depth: no stage has committed anything there")


def _walk(folder: str) -> Iterator[Found | None]:
    """The targets below a folder; None for every folder looked at, so that the caller may stop."""
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        yield None
        if is_target(path):
            yield Found(path)
            continue
        try:
            folders, missing = _look_into(path, os.path.realpath(folder))
        except OSError as error:
            yield Found(path, StorageError("looking for targets in", path, error))
            continue
        gone = (os.path.join(path, name) for name in missing)
        yield from (Found(each) for each in gone if has_remains(each))
        waiting.extend(os.path.join(path, name) for name in sorted(folders, reverse=True))


def _look_into(path: str, top: str) -> tuple[list[str], list[str]]:
    """The folders in a folder that may be or hold targets, and the targets that have a control directory only."""
    with os.scandir(path) as entries:
        names = {entry.name: entry for entry in entries if _is_folder(entry)}
    controlled = _names_in(os.path.join(path, CONTROL_DIRECTORY)) if CONTROL_DIRECTORY in names else set()
    folders = [
        name
        for name, entry in names.items()
        if (name in controlled or not name.startswith("."))
        and (not entry.is_symlink() or _is_linked_target(entry.path, top))
    ]
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


def _advice(folder: str) -> str:
    looked_at = list(islice(_walk(folder), _MAX_FOLDERS))
    targets = [each for each in looked_at if each is not None and each.error is None][:_MAX_COUNTED]
    at_least = "at least " if len(looked_at) == _MAX_FOLDERS or len(targets) == _MAX_COUNTED else ""
    if not targets:
        return ", nor anything below it" if not at_least else ""
    return f"; it holds {at_least}{len(targets)} target{'s' * (len(targets) > 1)}: name one, or add --recursive"


def _nearest(places: list[str]) -> str:
    """The nearest folder that is there, where that is no more than some levels up."""
    for place in reversed(places):
        for above in islice(Path(place).parents, 3):
            if above.is_dir():
                return f" (there is {str(above)!r})" if above != Path("/") else ""
    return ""


def _first(fits: Callable[[str], bool], places: list[str]) -> str | None:
    return next(filter(fits, places), None)


def _refuse_templates(typed: str) -> None:
    if "://" in typed:
        raise ArgumentRefused(f"{typed!r} is a URL; give the path where it is mounted")
    if "{{" in typed or "{partition}" in typed:
        raise ArgumentRefused(
            f"{typed!r} is a template; put a partition in its place, or name the folder above it with --recursive"
        )
