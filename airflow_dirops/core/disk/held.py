"""Open paths beneath a directory held by its descriptor, without following a link on the way.

What is opened stays in that very directory, whatever its name points to by then.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_FOLLOWED = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_DIRECTORY = _FOLLOWED | os.O_NOFOLLOW
# Without O_NONBLOCK, opening a FIFO waits for somebody to write into it.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {
    stat.S_IFDIR: (errno.EISDIR, "a directory"),
    stat.S_IFIFO: (errno.ENXIO, "a FIFO"),
    stat.S_IFCHR: (errno.ENXIO, "a device"),
    stat.S_IFBLK: (errno.ENXIO, "a device"),
    stat.S_IFSOCK: (errno.ENXIO, "a socket"),
    stat.S_IFLNK: (errno.ELOOP, "a link"),
}
_ABSENCE = frozenset({errno.ENOENT})
# Everything else says something about the machine, and nothing about what lies on its disk.
_DAMAGE = _ABSENCE | {errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENAMETOOLONG}


def look_anew(*directories: Path) -> None:
    """Have the names in some directories looked up again, and not believed.

    Over NFS a name may lead for a minute to what another machine has replaced; opening its directory ends that.
    """
    for directory in directories:
        with suppress(OSError):
            os.close(_open_anew(directory))


def _open_anew(directory: Path) -> int:
    try:
        return os.open(directory, _FOLLOWED)
    except FileNotFoundError:  # which may be believed, too
        if directory == directory.parent:
            raise
        os.close(_open_anew(directory.parent))
        return os.open(directory, _FOLLOWED)


def is_absence(error: OSError) -> bool:
    """Whether an error says that there is no such name."""
    return error.errno in _ABSENCE


def is_damage(error: OSError) -> bool:
    """Whether an error says that no file lies where one should: another one may be worth a second try."""
    return error.errno in _DAMAGE


def open_regular(name: str | os.PathLike[str], *, beneath: int | None = None) -> int:
    """Open a file for reading; whatever else has that name neither blocks nor leads elsewhere.

    :param beneath: the descriptor of the directory that the name is in.
    :raises OSError: as ``open(2)``; also if it is no regular file, one for which :func:`is_damage` holds.
    """
    descriptor = os.open(name, _READ, dir_fd=beneath)
    try:
        check_regular(os.fstat(descriptor), name)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_regular(status: os.stat_result, name: str | os.PathLike[str]) -> None:
    """Refuse what is no regular file.

    :raises OSError: if this is the status of anything but a regular file.
    """
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        number, what = _KINDS.get(kind, (errno.ENXIO, "something else"))
        raise OSError(number, f"it is {what}, and no regular file", os.fspath(name))


def read_at_most(descriptor: int, limit: int) -> bytes:
    """The bytes of a file up to its end, or up to a limit; a single ``read`` may give less."""
    blocks, left = [], limit
    while left > 0 and (block := os.read(descriptor, min(left, 1 << 20))):
        blocks.append(block)
        left -= len(block)
    return b"".join(blocks)


def read_small_file(path: Path, limit: int) -> bytes:
    """The content of a regular file that cannot be large.

    :raises OSError: as :func:`open_regular`; ENXIO also if the file has more bytes than the limit.
    """
    descriptor = open_regular(path)
    try:
        content = read_at_most(descriptor, limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise OSError(errno.ENXIO, f"it has more than {limit} bytes", os.fspath(path))
    return content


class HeldDirectory:
    """A directory, held open.

    The last parent is kept open too: paths arrive in order, so neighbours mostly share it.

    :param path: the name it was opened by; for messages only, since the descriptor decides.
    :param directory_mode: of directories that are made in it; None is what the umask says. They get its group then.
    """

    is_shared = True
    """Whether nobody else may be keeping it for himself, so that our shared lock holds."""

    def __init__(self, descriptor: int, path: Path, directory_mode: int | None = None) -> None:
        self.descriptor = descriptor
        self.path = path
        self._directory_mode = directory_mode
        self._parent = ("", descriptor)

    @classmethod
    def open(cls, path: Path, *, directory_mode: int | None = None) -> HeldDirectory:
        """Hold a directory. A link in its last place is followed: a target may be a link to a big disk."""
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), path, directory_mode)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._forget_parent()
        os.close(self.descriptor)

    def open_file(self, path: str) -> int:
        """Open a file beneath for reading, and return its descriptor.

        :raises OSError: as :func:`open_regular`; ELOOP or ENOTDIR where a link stands in the way.
        """
        parent, name = self._parent_of(path)
        return open_regular(name, beneath=parent)

    def create_file(self, path: str, mode: int = 0o444) -> int:
        """Create a file beneath, with the directories above it, and return its descriptor for writing.

        :raises FileExistsError: if the name is taken.
        """
        try:
            return self._create_file(path, mode)
        except FileNotFoundError:
            self.make_parents(path)
            return self._create_file(path, mode)

    def _create_file(self, path: str, mode: int) -> int:
        parent, name = self._parent_of(path)
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=parent)

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
            if self._directory_mode is not None:
                self._share(name, parent)

    def _share(self, name: str, parent: int) -> None:
        group = os.fstat(self.descriptor).st_gid
        with suppress(PermissionError):
            os.chown(name, -1, group, dir_fd=parent, follow_symlinks=False)
        os.chmod(name, self._directory_mode or 0, dir_fd=parent)

    def status(self, path: str) -> os.stat_result:
        """The status of what the path names; of a link itself, not of what it points to."""
        parent, name = self._parent_of(path)
        return os.stat(name, dir_fd=parent, follow_symlinks=False)

    def regular_status(self, path: str) -> os.stat_result:
        """The status of a regular file in the directory.

        :raises OSError: as ``stat(2)``; also if this is no regular file, one for which :func:`is_damage` holds.
        """
        parent, name = self._parent_of(path)
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            check_regular(status, path)
        return status

    def remove_file(self, path: str) -> None:
        parent, name = self._parent_of(path)
        os.unlink(name, dir_fd=parent)

    def link_file(self, path: str, into: HeldDirectory) -> None:
        """Give a file a second name, at the same path beneath another directory."""
        try:
            self._link_file(path, into)
        except FileNotFoundError:
            into.make_parents(path)
            self._link_file(path, into)

    def _link_file(self, path: str, into: HeldDirectory) -> None:
        source, name = self._parent_of(path)
        target, _ = into._parent_of(path)
        os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)

    def move_file(self, path: str, into: HeldDirectory) -> None:
        """Move a file to the same path beneath another directory of the same file system."""
        into.make_parents(path)
        source, name = self._parent_of(path)
        target, _ = into._parent_of(path)
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)

    def is_still_named(self) -> bool:
        """Whether the path that it was opened by leads to it now."""
        try:
            return os.path.samestat(os.fstat(self.descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

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
