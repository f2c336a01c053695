"""The folders that are watched together: where they are, what tells that one has changed, and whether it is ready."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from errno import ELOOP, ENOENT, ENOTDIR
from functools import cache
from typing import Any, Literal

from airflow_dirops.calendar.formats import example_name, read_name, unsafe
from airflow_dirops.core.messages.first_few import FirstFew, first_few
from airflow_dirops.core.stage.partitions import PLACEHOLDER
from airflow_dirops.core.stage.patterns import literal
from airflow_dirops.triggers.conditions import Conditions
from airflow_dirops.triggers.finding import Awaited, Finding
from airflow_dirops.triggers.folder import Folder

_MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Folders of which each is one partition.

    :param directory: their path, absolute, with ``{partition}`` in it.
    :param partition_format: how they are named; None for any names, in one folder.
    :param kind: whether they are raw folders, or targets of a stage.
    :param rules: when one is ready: fields of :class:`~airflow_dirops.triggers.folder.Folder`, or of
        :class:`~airflow_dirops.triggers.conditions.Conditions`.
    :param since: the first partition that counts.
    """

    directory: str
    partition_format: str | None
    kind: Literal["folder", "target"]
    rules: Mapping[str, Any] = field(default_factory=dict)
    since: str | None = None

    @property
    def above(self) -> str:
        """The directory that they, or the first parts of their names, are in."""
        return self.directory.partition(PLACEHOLDER)[0].rpartition("/")[0] or "/"

    @property
    def group(self) -> tuple[str, str | None, str]:
        """What is the same for all that can be watched in one go."""
        return (self.directory, self.partition_format, self._probed)

    def path_of(self, partition: str) -> str:
        """Where a partition is."""
        return self.directory.replace(PLACEHOLDER, partition)

    def list_there(self) -> list[str]:
        """The partitions that are there, ready or not. What is not named as partitions are is passed over.

        :raises OSError: if the directory above them cannot be read.
        """
        return [name for name in self._names() if _is_partition(name, self.partition_format)]

    def why_none(self) -> str:
        """Why no partition is there, where something else is: what it is named like, and how partitions are named.

        :returns: empty where there is no folder at all.
        :raises OSError: if the directory above them cannot be read.
        """
        few = first_few(sorted(_folders_in(self.above, 1)), _MOST_NAMED, repr)
        if not few.count:
            return ""
        form = self.partition_format
        named = "that is safe as a name" if form is None else f"named like {example_name(form)!r} ({form!r})"
        where = " where {partition} is" if self.directory.partition(PLACEHOLDER)[0] != f"{self.above}/" else ""
        return f"no folder{where} is {named}, but there {_is_or_are(few)}; give partition_format= as they are named"

    def why_none_can_be_ready(self, there: int) -> str:
        """Why none of the partitions that are there can be ready.

        :param there: how many there are.
        """
        lacks = "was committed by a stage" if self.kind == "target" else f"has the marker {self.rules.get('marker')!r}"
        return f"of {_folders(there)} none {lacks}"

    def counts(self, partition: str) -> bool:
        """Whether a partition is not from before all that counts."""
        form = self.partition_format
        return self.since is None or form is None or _moment(partition, form) >= _moment(self.since, form)

    def state_of(self, partition: str) -> str | None:
        """A text that is another one once a partition has been made ready anew; None if it cannot be ready.

        :raises OSError: if the file system refuses to be looked at.
        """
        probed = self._probed.replace(PLACEHOLDER, partition)
        try:
            status = os.stat(os.path.join(self.path_of(partition), probed))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return hashlib.blake2s(f"{status.st_mtime_ns} {status.st_size}".encode(), digest_size=6).hexdigest()

    def look_at(self, partition: str) -> Finding:
        """Whether a partition is ready.

        :raises DiropsError: if it never can be, or the file system refuses to be looked at.
        """
        return self._awaited(partition).look()

    def as_dict(self) -> dict[str, Any]:
        """All of this as plain values, for a trigger."""
        return asdict(self)

    @property
    def _probed(self) -> str:
        if self.kind == "target":
            from airflow_dirops.core.format.manifest import HEADER

            return HEADER
        return self.rules.get("marker") or ""

    def _awaited(self, partition: str) -> Awaited:
        if self.kind == "target":
            return Conditions(target=self.path_of(partition), **self.rules)
        rules = {**self.rules, "expected": [n.replace(PLACEHOLDER, partition) for n in self.rules.get("expected", ())]}
        for name, stands_for in (("marker", partition), ("pattern", literal(partition))):
            if text := self.rules.get(name):
                rules[name] = text.replace(PLACEHOLDER, stands_for)
        return Folder(directory=self.path_of(partition), partition=partition, **rules)

    def _names(self) -> Iterator[str]:
        """What stands for the partition in the paths of folders, as deep as the format goes."""
        head, _, tail = self.directory.partition(PLACEHOLDER)
        before, after = head.rpartition("/")[2], tail.partition("/")[0]
        depth = 1 + (self.partition_format or "").count("/")
        for name in _folders_in(self.above, depth):
            if name.startswith(before) and name.endswith(after):
                yield name[len(before) : len(name) - len(after)]


def _folders_in(directory: str, depth: int) -> Iterator[str]:
    with os.scandir(directory) as entries:
        # To follow a link is a call that may hang; where it leads is seen when the folder itself is looked at.
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False) or entry.is_symlink()]
    if depth == 1:
        yield from names
        return
    for name in names:
        try:
            yield from (f"{name}/{below}" for below in _folders_in(os.path.join(directory, name), depth - 1))
        except OSError as error:
            if error.errno not in (ENOENT, ENOTDIR, ELOOP):
                raise


def _folders(count: int) -> str:
    return f"{count:,} folder{'s' * (count != 1)}"


def _is_or_are(few: FirstFew[str]) -> str:
    return f"{'is' if few.count == 1 else 'are'} {_folders(few.count)}: {few.phrase()}"


_moment = cache(read_name)  # each round asks for all of them


@cache
def _is_partition(name: str, partition_format: str | None) -> bool:
    if unsafe(name):
        return False
    try:
        return partition_format is None or bool(_moment(name, partition_format))
    except ValueError:
        return False
