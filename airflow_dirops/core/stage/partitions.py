"""Several partitions of one target as a source: a week of days, read as one."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.entries import path_problem
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.stage.locations import checked_path, leftover_in

PLACEHOLDER = "{partition}"
"""What stands in a path for the name of a partition."""

Missing = Literal["fail", "allow"]

# A month of hours. Each is held open while a stage runs, and most systems let a process open 1,024 files.
MAX_PARTITIONS = 750


def before_partition(path: str, partition: str | None) -> str:
    """The deepest directory above a path that the name of its partition has no part in.

    For ``raw/2026/11/05/left`` that is ``raw``, where the partition is ``2026/11/05``. A path that does not have its
    name has the directory just above it.

    :param path: an absolute path.
    :param partition: the name that was filled in, if any. What looks like it further up was there before.
    """
    found = None
    if partition:
        for found in re.finditer(rf"(?<![^\W_]){re.escape(partition)}(?![^\W_])", path):  # noqa: B007 - the last
            pass
    return os.path.dirname(path if found is None else path[: found.start()] + "_")


class Partition(NamedTuple):
    """One of them: its name, and where it lies."""

    name: str
    path: str


class PartitionsLike(ABC):
    """What can be asked for partitions."""

    @abstractmethod
    def settle(self) -> Partitions:
        """The partitions, each by its name.

        :raises ArgumentRefused: if it cannot say which they are.
        """


@dataclass(frozen=True)
class Partitions(PartitionsLike):
    """Snapshots of several partitions, read as one source whose keys begin with the partition's name.

    :param path: of a target, with ``{partition}`` in it.
    :param names: which partitions; in any order.
    :param missing: of partitions that no stage committed: ``fail``, or ``allow`` them, and list them in the manifest.
    :raises ArgumentRefused: with everything that cannot be used.
    """

    path: str | os.PathLike[str]
    names: tuple[str, ...]
    missing: Missing = "fail"

    def __post_init__(self) -> None:
        names: Any = self.names
        if isinstance(names, str):
            raise ArgumentRefused(f"names={names!r} is one text; give a list of them, such as [{names!r}]")
        # Once and for all: a function may change the directory.
        absolute = Path(os.getcwd(), os.path.expanduser(os.fsdecode(self.path)))
        object.__setattr__(self, "path", os.fspath(absolute))
        object.__setattr__(self, "names", tuple(sorted(names, key=_order)))
        if findings := list(self._problems()):
            raise ArgumentRefused("these partitions cannot be a source", findings)
        # What can be wrong with a path is wrong with each of them.
        filled = [checked_path("source", self._filled(name)) for name in self.names]
        object.__setattr__(self, "_paths", tuple(filled))

    def settle(self) -> Partitions:
        return self

    @property
    def room(self) -> str:
        """The directory that all of them lie in, and that none of their names has a part in."""
        return os.path.dirname(os.fspath(self.path).partition(PLACEHOLDER)[0] + "_")

    def __iter__(self) -> Iterator[Partition]:
        paths: tuple[str, ...] = vars(self)["_paths"]
        return map(Partition, self.names, paths)

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        which = self.names[0] if len(self) == 1 else f"{self.names[0]} to {self.names[-1]}, {len(self)}"
        return f"{self.path} ({which})"

    def _filled(self, name: str) -> str:
        return os.fspath(self.path).replace(PLACEHOLDER, name)

    def _problems(self) -> Iterator[str]:
        if PLACEHOLDER not in os.fspath(self.path):
            yield f"the path {self.path!r} has no {PLACEHOLDER} in it, so all of them would be one folder; put it in"
        if self.missing not in get_args(Missing):
            yield f"missing={self.missing!r} is none of {', '.join(map(repr, get_args(Missing)))}"
        yield from problems_of_names(self.names)


def problems_of_names(names: Iterable[Any]) -> Iterator[str]:
    """Why partitions of these names cannot be read as one source.

    :param names: of all of them, in any order.
    """
    names = sorted(names, key=_order)
    if not names:
        yield "there is not one of them; name at least one"
    if len(names) > MAX_PARTITIONS:
        yield (
            f"there are {len(names)}, and a stage reads up to {MAX_PARTITIONS} at once; roll them up in two "
            "steps, such as hours into days, and days into the year"
        )
    for name in names:
        if problem := path_problem(name) or leftover_in(name):
            yield f"the name {shown(repr(name), 100)} cannot be a folder: {problem}"
    for one, other in pairwise(names):
        if one == other:
            yield f"{one!r} is there twice; name it once"
        elif _order(other).startswith(_order(one)):
            yield f"{other!r} lies in {one!r}, so their keys could be the same; roll them up one level at a time"


def _order(name: Any) -> str:
    """With the slash behind it, sorting by names is sorting by the keys that begin with them."""
    return f"{name}/"
