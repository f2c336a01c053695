"""Delete directories of any depth and size with a few descriptors, and warn of what stays without flooding the log."""

from __future__ import annotations

import errno
import logging
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_dirops.core.messages.first_few import FirstFew
from airflow_dirops.core.messages.shown import shown

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)


class Concerns:
    """What went wrong in a clean-up, which never stops for it.

    :param told: gets all of it, in words, each once; the log gets the first few.
    """

    def __init__(
        self,
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
        told: list[str] | None = None,
        most: int = 3,
    ) -> None:
        self._log = log
        self._told = told
        self._known = set[str]()
        self._noted = FirstFew[str](most)
        self._below = FirstFew[str](most)

    def note(self, what: str, path: Path | str, error: BaseException | str) -> None:
        """Warn; but of what is in the lower layer of an overlay only say that it stays, since nothing can be done."""
        if isinstance(error, OSError) and error.errno == errno.EXDEV:
            self._below.add(os.fspath(path))
            return
        text = f"{what} {shown(os.fspath(path))}: {error}"
        if not self._tell(text):
            return
        if self._noted.add(os.fspath(path)):
            self._log.warning("%s", text)

    def sum_up(self) -> None:
        if more := self._noted.more:
            self._log.warning("%s such warnings", more)
        if self._below.count:
            text = (
                f"{self._below.count} directories come from the lower layer of an overlay, as from a container's "
                f"image, and stay, since removing them would free nothing: {shown(self._below.phrase())}"
            )
            self._tell(text)
            self._log.info("%s", text)

    def _tell(self, text: str) -> bool:
        """Whether it is news."""
        if self._told is None:
            return True
        if is_news := text not in self._known:
            self._known.add(text)
            self._told.append(text)
        return is_news


@contextmanager
def concerns(
    log: logging.Logger | logging.LoggerAdapter[logging.Logger], told: list[str] | None = None
) -> Iterator[Concerns]:
    """Warn of the first few, and at the end of how many more there were.

    :param told: gets all of it, in words.
    """
    found = Concerns(log, told)
    try:
        yield found
    finally:
        found.sum_up()


def remove_tree(path: Path, found: Concerns, last: Collection[str] = ()) -> None:
    """Delete a directory and all below it; links in it are not followed. What cannot be deleted stays.

    :param found: is told what stayed.
    :param last: names at its top that go after everything else: they tell whose the rest is.
    """
    try:
        root = os.open(path, _DIRECTORY)
        try:
            stuck = _empty(root, last)
        finally:
            os.close(root)
        if stuck is None:
            os.rmdir(path)
        else:
            found.note("could not remove", path, f"{stuck}; the next run of this stage tries again")
    except FileNotFoundError:
        return
    except OSError as error:
        found.note("could not remove", path, f"{error}; the next run of this stage tries again")


def _empty(root: int, last: Collection[str]) -> OSError | None:
    """Delete what is in a directory; returns why something stayed.

    What lies deeper is moved up to the top first, so that no depth needs more descriptors, or a longer path.
    """
    spared, looked_again = last, False
    while True:
        removed, stuck, gone = 0, None, None
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.name in spared:
                    continue
                try:
                    _remove(entry, root)
                    removed += 1
                except FileNotFoundError as error:  # another process deletes it too; or that is a lie
                    gone = error
                except OSError as error:
                    stuck = error
        if removed or (gone and not stuck and not looked_again):
            looked_again = not removed
            continue
        if (stuck := stuck or gone) or not spared:
            return stuck
        spared = ()


def _remove(entry: os.DirEntry[str], root: int) -> None:
    if not entry.is_dir(follow_symlinks=False):
        os.unlink(entry.name, dir_fd=root)
    elif not _remove_if_empty(entry.name, root):
        directory = os.open(entry.name, _DIRECTORY, dir_fd=root)
        try:
            _move_up(directory, root)
        finally:
            os.close(directory)
        os.rmdir(entry.name, dir_fd=root)


def _move_up(directory: int, root: int) -> None:
    with os.scandir(directory) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=directory)
            elif not _remove_if_empty(entry.name, directory):
                os.rename(entry.name, f".{secrets.token_hex(8)}", src_dir_fd=directory, dst_dir_fd=root)


def _remove_if_empty(name: str, parent: int) -> bool:
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno not in _NOT_EMPTY:
            raise
        return False
    return True
