"""The private directory that will become the target: with its mode, group and access list, and nothing unlisted."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from airflow_dirops.core.disk.permissions import is_shared
from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.disk.trees import count_files, iter_files, iter_unlisted
from airflow_dirops.core.errors import StagingChanged, storage_errors
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY
from airflow_dirops.core.messages.first_few import first_few

_MAX_NAMED = 5


def make_tree(path: Path, target: Path) -> tuple[int, int | None]:
    """Make the directory; returns the mode it shall have in the end, and that of the directories in it.

    :param target: what it will replace, whose mode, group and access list it gets. A new target in a directory of a
        group is that group's too; elsewhere the umask decides: then there is no second mode.
    """
    with storage_errors("making the staging area", path):
        path.mkdir()
        is_new = not target.exists()
        reference = (target.parent if is_new else target).stat()
        if is_new and not is_shared(reference):
            return stat.S_IMODE(path.stat().st_mode), None
        with suppress(PermissionError):
            os.chown(path, -1, reference.st_gid)
        if not is_new:
            _copy_access_lists(target, path)
        mode = stat.S_IMODE(reference.st_mode)
        # Renaming a directory needs write permission on itself: its ".." changes.
        path.chmod(mode | stat.S_IRWXU)
        return mode | stat.S_IWUSR, mode | stat.S_IRWXU


def _copy_access_lists(reference: Path, path: Path) -> None:
    for name in ("system.posix_acl_access", "system.posix_acl_default"):
        # Only Linux keeps them as attributes, and not every file system has them.
        with suppress(OSError, AttributeError):
            os.setxattr(path, name, os.getxattr(reference, name))


def check_names(root: Path, count: int, listed: Iterable[str], sorter: Callable[[str], Sorter]) -> None:
    """See that a tree without lists has these files and no others.

    :param count: how many there are; mostly comparing that is all.
    :param listed: their paths; each was seen there.
    :param sorter: makes one that sorts the names, if the count differs.
    :raises StagingChanged: if there are other files.
    """
    if os.path.lexists(root / MANIFEST_DIRECTORY):
        raise StagingChanged(root / MANIFEST_DIRECTORY, "this attempt did not make it, and will")
    found = count_files(os.fspath(root))
    if found == count:
        return
    strays = first_few(iter_unlisted(iter_files(os.fspath(root)), listed, sorter), _MAX_NAMED, repr)
    what = f"this attempt did not make {strays.phrase()}" if strays.count else "some of them were removed"
    raise StagingChanged(root, f"it holds {found} files, and {count} were finished; {what}")
