"""What processes of one attempt leave for each other, in the staging area of whoever leaves it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from airflow_dirops.core.disk.durable import sync_directory
from airflow_dirops.core.disk.held import is_damage, look_anew, open_regular
from airflow_dirops.core.disk.permissions import make_shared_directory, share_file
from airflow_dirops.core.errors import StorageError, storage_errors
from airflow_dirops.core.format.manifest import ListRecord
from airflow_dirops.core.places.directory.areas import is_own_name
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.staging.manifest_files import write_lines

# Over NFS a name may be believed absent for a minute after another machine has made it.
PATIENCE_SECONDS = 90.0
_LOOK_EVERY_SECONDS = 1.0
_FOLDER = "notes"

T = TypeVar("T")


def write_note(area: Path, name: str, lines: Iterable[bytes]) -> ListRecord:
    """Leave a list in this process's own staging area, synced; its name is durable after :func:`sync_notes`."""
    folder = area / _FOLDER
    path = folder / name
    with storage_errors("writing", path):
        with suppress(FileExistsError):
            make_shared_directory(folder)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        share_file(descriptor, folder)
        return write_lines(descriptor, name, lines)


def sync_notes(area: Path) -> None:
    """Make the names of what was left survive a power loss."""
    if (area / _FOLDER).is_dir():
        sync_directory(area / _FOLDER)
        sync_directory(area)


def open_note(control: ControlDirectory, area: str, name: str, host: str | None) -> BufferedReader | None:
    """Open what a process has left; None where it is not, also after waiting for one of another machine."""
    if not is_own_name(area):
        return None
    path = path_of_note(control, area, name)
    return once_seen(lambda: _open(path), (control.attempts, path.parents[1], path.parent), host)


def path_of_note(control: ControlDirectory, area: str, name: str) -> Path:
    """Where a process leaves it."""
    return control.attempts / area / _FOLDER / name


def once_seen(look: Callable[[], T | None], directories: tuple[Path, ...], host: str | None) -> T | None:
    """Look for something until it is seen; for long only where another machine has made it.

    :param directories: that it lies in, the outermost first.
    :param host: who made it, if that is known.
    """
    deadline = time.monotonic() + (PATIENCE_SECONDS if host and host != socket.gethostname() else 0)
    while (found := look()) is None:
        look_anew(*directories)
        if (found := look()) is not None or time.monotonic() >= deadline:
            break
        time.sleep(_LOOK_EVERY_SECONDS)
    return found


def _open(path: Path) -> BufferedReader | None:
    try:
        return open(open_regular(path), "rb")
    except OSError as error:
        if is_damage(error):
            return None
        raise StorageError("opening", path, error) from error
