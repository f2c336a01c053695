"""Who else may work on a target: what is made beside it is open to the same users as the directory that it is in.

The umask does not decide that: users of one group share a directory by its bits, and each has a umask of its own.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_FILE_BITS = 0o666


def make_shared_directory(path: Path) -> None:
    """Make a directory that whoever may write into its parent may write into.

    :raises FileExistsError: if the name is taken; see :func:`share`.
    """
    path.mkdir()
    share(path, path.parent.stat())


def share(path: Path, reference: os.stat_result) -> None:
    """Give a directory of this user's the bits and the group of another one, where they differ."""
    status = path.stat()
    mode = stat.S_IMODE(reference.st_mode)
    if status.st_uid != os.geteuid() or (stat.S_IMODE(status.st_mode), status.st_gid) == (mode, reference.st_gid):
        return
    if status.st_gid != reference.st_gid:
        with suppress(PermissionError):
            os.chown(path, -1, reference.st_gid)
    path.chmod(mode)


def share_file(descriptor: int, directory: Path) -> None:
    """Let whoever may write into a directory write this file of this user's in it."""
    reference, status = directory.stat(), os.fstat(descriptor)
    mode = reference.st_mode & _FILE_BITS | stat.S_IRUSR | stat.S_IWUSR
    if status.st_uid != os.geteuid() or (stat.S_IMODE(status.st_mode), status.st_gid) == (mode, reference.st_gid):
        return
    if status.st_gid != reference.st_gid:
        with suppress(PermissionError):
            os.fchown(descriptor, -1, reference.st_gid)
    os.fchmod(descriptor, mode)


def is_shared(status: os.stat_result) -> bool:
    """Whether a directory is meant for a group: it hands its group on, and the group may write."""
    return bool(status.st_mode & stat.S_ISGID and status.st_mode & stat.S_IWGRP)
