"""A source's folder that is not there: one for which nothing was made, or all of a share that went away?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from errno import ELOOP, ENOENT, ENOTDIR
from pathlib import Path

from airflow_dirops.core.errors import DiropsError, SourceMissing, StorageError, storage_errors
from airflow_dirops.core.format.entries import CONTROL_DIRECTORY
from airflow_dirops.core.format.manifest import HEADER
from airflow_dirops.core.places import place_of
from airflow_dirops.core.source.bare import link_at
from airflow_dirops.core.source.beside import named_nearly, named_otherwise
from airflow_dirops.core.stage.partitions import Partitions, before_partition
from airflow_dirops.core.stage.stage import Stage

_NOWHERE = (ENOENT, ENOTDIR, ELOOP)


@dataclass(frozen=True)
class Absence:
    """What one stage takes for a folder that may be missing, and what for a share that is not mounted.

    A name of a partition has a folder only once something was made for it, and with ``2026/11/05`` so have the month
    and the year. What lies above those is there always, and does not become empty.
    """

    stage: Stage

    @property
    def may_be(self) -> bool:
        """Whether the stage goes on without anything to read."""
        return self.stage.empty != "fail"

    def explain(self, path: Path) -> SourceMissing:
        """The error for a source that is not there."""
        here = os.path.abspath(path)
        room = before_partition(here, self.stage.partition)
        if obstacle := in_the_way(here, room):
            return SourceMissing(f"the source {here!r} is not there: {obstacle}")
        if left := place_of(here).remains():
            return SourceMissing(f"the source {here!r} does not exist; a stage makes it{left}")
        if _is_directory(room):
            beside = f". {unlike[0].upper()}{unlike[1:]}" if (unlike := named_otherwise(room, here)) else ""
            return SourceMissing(
                f"the source {here!r} does not exist; check the path and that it is mounted{beside}. {room!r} is "
                "there, so if this one is to be missing at times, set empty='skip'"
            )
        there = next(above for above in Path(here).parents if above.is_dir())
        nearly = named_nearly(os.fspath(there), here)
        nested = (
            ""
            if room != os.path.dirname(here)
            else (
                ". If folders are nested, as in 2026/11/05, give all of that as the partition: {partition} in a DAG, "
                "partition='2026/11/05' in a script"
            )
        )
        return SourceMissing(
            f"the source {here!r} does not exist; check the path and that it is mounted. The last directory above it "
            f"that is there is {os.fspath(there)!r}{nearly}; empty='skip' and empty='commit' want {room!r}, which "
            f"tells a day without files from a share that is not mounted{nested}"
        )

    def otherwise(self, path: Path) -> str:
        """That what is there is named otherwise, for a source that may be missing; else nothing."""
        here = os.path.abspath(path)
        return named_otherwise(before_partition(here, self.stage.partition), here)

    def check(self, path: Path) -> None:
        """Refuse to take a folder's absence for a day without files.

        :raises SourceMissing: if ``empty="fail"``, or if all of what it lies in may be away.
        """
        here = os.path.abspath(path)
        room = before_partition(here, self.stage.partition)
        if not self.may_be or in_the_way(here, room) or not _is_directory(room):
            raise self.explain(path)
        self._check_filled(room, here)

    def check_all(self, asked: Partitions) -> None:
        """Refuse to take the absence of all partitions for a week without any.

        :raises SourceMissing: if what they lie in may be away.
        """
        if not _is_directory(asked.room):
            raise SourceMissing(
                f"none of the {len(asked)} partitions is there, and {asked.room!r}, where they lie, is not either; "
                "check the path and that it is mounted"
            )
        self._check_filled(asked.room, os.fspath(asked.path))

    def _check_filled(self, room: str, asked: str) -> None:
        """A mount point is there, and empty, while nothing is mounted on it."""
        if _is_filled(room) or not (made := self._made_before()):
            return
        raise SourceMissing(
            f"there is no {asked!r}, and {room!r} is empty, though stage {self.stage.name!r} has made {made!r} of what "
            "was there; mount what belongs there. If it was emptied on purpose, put a file into it, such as README"
        )

    def _made_before(self) -> str | None:
        """A target of this stage, for this partition or another one, that came of some input."""
        target = os.path.abspath(self.stage.target)
        room = before_partition(target, self.stage.partition)
        for found in _folders(room, os.path.relpath(target, room).count("/") + 1):
            # Only evidence is looked for: what cannot be read is none.
            with suppress(DiropsError):
                manifest = place_of(found).read_header()
                if manifest.stage == self.stage.name and manifest.counts.inputs:
                    return found
        return None


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether something has that name.

    :raises StorageError: if the file system does not say.
    """
    return _status(path) is not None


def in_the_way(path: str, room: str) -> str:
    """What stands in a folder's place, from a directory down: a link to what is away, or a file; else nothing."""
    for part in _between(room, path):
        status = _status(part)
        if status is None and (leads_to := link_at(part)) is not None:
            return f"{part!r} is a link to {leads_to!r}, and nothing is there; mount that, or remove the link"
        if status is not None and not stat.S_ISDIR(status.st_mode):
            return f"{part!r} is a file, and a stage reads a directory; mend the path, or move the file away"
    return ""


def _status(path: str | os.PathLike[str]) -> os.stat_result | None:
    """What is there; None if nothing is."""
    try:
        return os.stat(path)
    except OSError as error:
        if error.errno in _NOWHERE:
            return None
        raise StorageError("opening the source", path, error) from error


def _is_directory(path: str) -> bool:
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _between(room: str, path: str) -> Iterator[str]:
    part = room
    for name in os.path.relpath(path, room).split("/"):
        part = os.path.join(part, name)
        yield part


def _is_filled(room: str) -> bool:
    with storage_errors("listing", room), os.scandir(room) as entries:
        return any(entry.name == CONTROL_DIRECTORY or not entry.name.startswith(".") for entry in entries)


def _folders(directory: str, depth: int) -> Iterator[str]:
    """Targets that lie so many folders deep."""
    if not depth:
        if os.path.lexists(os.path.join(directory, HEADER)):
            yield directory
        return
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir():
                yield from _folders(entry.path, depth - 1)
