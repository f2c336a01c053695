"""Open paths beneath a directory held by its descriptor, without following a link on the way.

What is opened stays in that very directory, whatever its name points to by then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class HeldDirectory:
    """A directory, held open.

    The last parent is kept open too: paths arrive in order, so neighbours mostly share it.

    :param path: the name it was opened by; for messages only, since the descriptor decides.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self.descriptor = descriptor
        self.path = path
        self._parent = ("", descriptor)

    @classmethod
    def open(cls, path: Path) -> HeldDirectory:
        """Hold a directory. A link in its last place is followed: a target may be a link to a big disk."""
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._forget_parent()
        os.close(self.descriptor)

    def open_file(self, path: str, flags: int = os.O_RDONLY, mode: int = 0o444) -> int:
        """Open a file beneath, and return its descriptor.

        :raises OSError: as ``open(2)``; ELOOP or ENOTDIR where a link stands in the way.
        """
        parent, name = self._parent_of(path)
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=parent)

    def create_file(self, path: str, mode: int = 0o444) -> int:
        """Create a file beneath, with the directories above it, and return its descriptor for writing.

        :raises FileExistsError: if the name is taken.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            return self.open_file(path, flags, mode)
        except FileNotFoundError:
            self.make_parents(path)
            return self.open_file(path, flags, mode)

    def make_parents(self, path: str) -> None:
        """Make the directories above a path."""
        above = ""
        for part in path.split("/")[:-1]:
            above = f"{above}/{part}" if above else part
            parent, name = self._parent_of(above)
            try:
                os.mkdir(name, dir_fd=parent)
            except FileExistsError:
                continue

    def status(self, path: str) -> os.stat_result:
        """The status of what the path names; of a link itself, not of what it points to."""
        parent, name = self._parent_of(path)
        return os.stat(name, dir_fd=parent, follow_symlinks=False)

    def remove_file(self, path: str) -> None:
        parent, name = self._parent_of(path)
        os.unlink(name, dir_fd=parent)

    def link_file(self, path: str, into: HeldDirectory) -> None:
        """Give a file a second name, at the same path beneath another directory."""
        into.make_parents(path)
        source, name = self._parent_of(path)
        target, _ = into._parent_of(path)
        os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)

    def move_file(self, path: str, into: HeldDirectory) -> None:
        """Move a file to the same path beneath another directory of the same file system."""
        into.make_parents(path)
        source, name = self._parent_of(path)
        target, _ = into._parent_of(path)
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)

    def stable_path(self, path: str) -> str:
        """A path string that stays in this directory when its name moves on, for children of this process too.

        Source: ``proc(5)``, ``/proc/[pid]/fd``. Where there is no ``/proc``, the name it was opened by.
        """
        here = f"/proc/{os.getpid()}/fd/{self.descriptor}"
        return os.path.join(here if os.path.isdir(here) else self.path, path)

    @contextmanager
    def reading(self, path: str) -> Iterator[int]:
        """Open a file for reading, as a block."""
        descriptor = self.open_file(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _parent_of(self, path: str) -> tuple[int, str]:
        above, _, name = path.rpartition("/")
        if above != self._parent[0]:
            self._forget_parent()
            if above:
                self._parent = (above, self._descend(above))
        return self._parent[1], name

    def _descend(self, path: str) -> int:
        descriptor = os.dup(self.descriptor)
        for part in path.split("/"):
            above = descriptor
            try:
                descriptor = os.open(part, _DIRECTORY, dir_fd=above)
            finally:
                os.close(above)
        return descriptor

    def _forget_parent(self) -> None:
        if self._parent[0]:
            os.close(self._parent[1])
        self._parent = ("", self.descriptor)
