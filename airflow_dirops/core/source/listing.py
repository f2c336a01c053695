"""A directory → its files, lazily; sorted, they are the same every time.

Names that start with a dot and our own folders are passed over and counted. Names with an underscore are not:
cameras write ``_DSC0001.JPG``. A link that leads nowhere is not passed over: what it stands for is away, not gone.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from airflow_dirops.core.disk.identity import Identity, identity_of
from airflow_dirops.core.errors import StorageError, TargetRefused, storage_errors
from airflow_dirops.core.format.entries import RESERVED, Input, mtime_ns_of
from airflow_dirops.core.stage.patterns import Selection

# What the status of a link gives that leads nowhere, to itself, through a file, or to a name that is too long.
_LEADS_NOWHERE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG)


@dataclass
class Listing:
    """A walk over a directory.

    :param directory: where to start.
    :param selection: which paths relative to it are inputs.
    :param follow_symlinks: also descend into links to directories; links to files are always followed.
    :param leave_out: called with the path of each file that does not match.
    :param apart_from: a directory that no link may lead to: what is written must not be read.
    """

    directory: Path
    selection: Selection
    follow_symlinks: bool = False
    apart_from: Path | None = None
    leave_out: Callable[[str], None] = lambda _: None
    ignored: int = field(default=0, init=False)
    unfollowed: int = field(default=0, init=False)
    first_unfollowed: str = field(default="", init=False)
    changed_ns: int = field(default=0, init=False)
    """When the file that came last was written, renamed or otherwise touched."""

    def __post_init__(self) -> None:
        pattern = self.selection.pattern
        self._matches = self.selection.matches
        self._is_recursive = "**" in pattern
        self._depth = pattern.count("/")

    def __iter__(self) -> Iterator[Input]:
        """The files that match, in no order.

        :raises StorageError: if a directory or a file's status cannot be read.
        :raises TargetRefused: if a link leads to the directory that is to be kept apart.
        """
        self._forbidden = identity_of(self.apart_from) if self.apart_from and self.follow_symlinks else None
        self.ignored = self.unfollowed = 0
        self.selection.forget()
        # A list instead of recursion, which Python ends near a thousand folders.
        folders = [("", frozenset({self._identity("")}))]
        while folders:
            folder, above = folders.pop()
            for entry in self._scan(folder):
                path = folder + entry.name
                if self._is_folder(entry, path):
                    folders.extend(self._step_into(entry, path + "/", above))
                elif self._matches(path):
                    if found := self._describe(entry, path):
                        yield found
                elif found := self._look_at_other(entry, path):
                    yield found

    def _scan(self, folder: str) -> Iterator[os.DirEntry[str]]:
        where = self.directory / folder
        with storage_errors("listing", where), os.scandir(where) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in RESERVED:
                    self.ignored += 1
                else:
                    yield entry

    def _step_into(
        self, entry: os.DirEntry[str], folder: str, above: frozenset[Identity]
    ) -> Iterator[tuple[str, frozenset[Identity]]]:
        """The folder, if the pattern reaches into it, and no link in it led back to one that it lies in."""
        if not self._reaches_into(folder):
            return
        if not self.follow_symlinks:
            yield folder, above
        elif entry.is_symlink() and RESERVED.intersection(Path(os.path.realpath(self.directory / folder)).parts):
            self.ignored += 1
        elif (here := self._identity(folder)) == self._forbidden:
            raise TargetRefused(
                f"the source's {str(self.directory / folder)!r} is the target {str(self.apart_from)!r}, reached by "
                "a link, so the next run would read what this one makes; remove the link, or leave follow_symlinks out"
            )
        elif here not in above:
            yield folder, above | {here}

    def _reaches_into(self, folder: str) -> bool:
        return self._is_recursive or folder.count("/") <= self._depth

    def _is_folder(self, entry: os.DirEntry[str], path: str) -> bool:
        try:
            return entry.is_dir(follow_symlinks=self.follow_symlinks)
        except OSError as error:
            if error.errno in _LEADS_NOWHERE:
                return False
            raise StorageError("reading the status of", self.directory / path, error) from error

    def _describe(self, entry: os.DirEntry[str], path: str) -> Input | None:
        if (status := self._status(entry, path)) is None:
            return self._describe_dangling(entry, path)
        if stat.S_ISREG(status.st_mode):
            self.changed_ns = status.st_ctime_ns
            return Input(path, status.st_size, mtime_ns_of(status))
        if stat.S_ISDIR(status.st_mode):
            self._leave_unfollowed(path)
        self.ignored += 1
        return None

    def _look_at_other(self, entry: os.DirEntry[str], path: str) -> Input | None:
        """A name that does not match: a whole folder may hang on it all the same, if it is a link."""
        if not entry.is_symlink():
            self._leave_out(path)
            return None
        status = self._status(entry, path) if (is_reached := self._reaches_into(path + "/")) else None
        if status is not None and stat.S_ISDIR(status.st_mode):
            self._leave_unfollowed(path)
        elif status is None and is_reached and self.follow_symlinks:
            return self._describe_dangling(entry, path)
        else:
            self._leave_out(path)
        return None

    def _leave_out(self, path: str) -> None:
        self.selection.leave_out(path)
        self.leave_out(path)

    def _leave_unfollowed(self, path: str) -> None:
        self.first_unfollowed = self.first_unfollowed if self.unfollowed else path
        self.unfollowed += 1

    def _status(self, entry: os.DirEntry[str], path: str) -> os.stat_result | None:
        """What a name stands for; None where that is away."""
        try:
            return entry.stat()
        except OSError as error:
            if error.errno in _LEADS_NOWHERE:
                return None
            raise StorageError("reading the status of", self.directory / path, error) from error

    def _describe_dangling(self, entry: os.DirEntry[str], path: str) -> Input | None:
        try:
            if entry.is_symlink():
                status = entry.stat(follow_symlinks=False)
                self.changed_ns = status.st_ctime_ns
                return Input(path, 0, mtime_ns_of(status), dangling=True)
        except FileNotFoundError:
            pass
        # It went away since the directory was read.
        self.ignored += 1
        return None

    def _identity(self, folder: str) -> Identity:
        where = self.directory / folder
        with storage_errors("listing", where):
            status = where.stat()
        return status.st_dev, status.st_ino
