"""A directory → its files, lazily; sorted, they are the same every time.

Names that start with a dot and our own folders are passed over and counted. Names with an underscore are not:
cameras write ``_DSC0001.JPG``.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from wcmatch import glob

from airflow_dirops.core.entries import RESERVED, Input
from airflow_dirops.core.errors import ArgumentRefused, StorageError, storage_errors

_GLOB_FLAGS = glob.GLOBSTAR | glob.BRACE | glob.CASE | glob.DOTGLOB | glob.EXTGLOB

Identity = tuple[int, int]


@dataclass
class Listing:
    """A walk over a directory.

    :param directory: where to start.
    :param pattern: a glob over paths relative to it: ``*`` stays within a folder, ``**/`` descends,
        ``{png,jpg}`` offers a choice.
    :param follow_symlinks: also descend into links to directories; links to files are always followed.
    :raises ArgumentRefused: if the pattern is empty, absolute, or leaves the directory.
    """

    directory: Path
    pattern: str = "**/*"
    follow_symlinks: bool = False
    ignored: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._matches = compile_pattern(self.pattern)
        self._is_recursive = "**" in self.pattern
        self._depth = self.pattern.count("/")

    def __iter__(self) -> Iterator[Input]:
        """The files that match, in no order.

        :raises StorageError: if a directory or a file's status cannot be read.
        """
        self.ignored = 0
        # A list instead of recursion, which Python ends near a thousand folders.
        folders = [("", frozenset({self._identity("")}))]
        while folders:
            folder, above = folders.pop()
            for entry in self._scan(folder):
                path = folder + entry.name
                if self._is_folder(entry):
                    folders.extend(self._step_into(path + "/", above))
                elif self._matches(path) and (found := self._describe(entry, path)):
                    yield found

    def _scan(self, folder: str) -> Iterator[os.DirEntry[str]]:
        where = self.directory / folder
        with storage_errors("listing", where), os.scandir(where) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in RESERVED:
                    self.ignored += 1
                else:
                    yield entry

    def _step_into(self, folder: str, above: frozenset[Identity]) -> Iterator[tuple[str, frozenset[Identity]]]:
        """The folder, if the pattern reaches into it, and no link in it led back to one that it lies in."""
        if not self._is_recursive and folder.count("/") > self._depth:
            return
        if not self.follow_symlinks:
            yield folder, above
        elif (here := self._identity(folder)) not in above:
            yield folder, above | {here}

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir(follow_symlinks=self.follow_symlinks)
        except OSError:
            # A link that leads nowhere, for one: a look at its status will tell.
            return False

    def _describe(self, entry: os.DirEntry[str], path: str) -> Input | None:
        try:
            status = entry.stat()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                # A link to nowhere or to itself, or a file that went away since the directory was read.
                self.ignored += 1
                return None
            raise StorageError("reading the status of", self.directory / path, error) from error
        if not stat.S_ISREG(status.st_mode):
            self.ignored += 1
            return None
        return Input(path, status.st_size, status.st_mtime_ns)

    def _identity(self, folder: str) -> Identity:
        where = self.directory / folder
        with storage_errors("listing", where):
            status = where.stat()
        return status.st_dev, status.st_ino


@lru_cache(maxsize=64)
def compile_pattern(pattern: object) -> Callable[[str], re.Match[str] | bool | None]:
    """A test for relative paths.

    :raises ArgumentRefused: if the pattern is empty, absolute, or leaves the directory.
    """
    if not isinstance(pattern, str) or not pattern or pattern.startswith("/") or ".." in pattern.split("/"):
        raise ArgumentRefused(
            f"the pattern {pattern!r} cannot select files of a source; give a glob relative to it, such as '**/*.png'"
        )
    if pattern in ("**", "**/*"):
        return lambda _: True
    included, _ = glob.translate(pattern, flags=_GLOB_FLAGS)
    # The whole name: a bare match would end before a newline that a name ends with.
    return re.compile("|".join(f"(?:{expression})" for expression in included)).fullmatch
