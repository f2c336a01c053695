"""Walk a directory: every file in it, or those that a list does not name."""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import StorageError, storage_errors
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY, order_of, path_at


def iter_files(root: str) -> Iterator[str]:
    """Every file below a directory but those of its manifest, as a relative path.

    Hidden ones too; a link counts as a file, since no snapshot has links.
    """
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(os.path.join(root, prefix)) as entries:
                for entry in entries:
                    path = prefix + entry.name
                    if not entry.is_dir(follow_symlinks=False):
                        yield path
                    elif path != MANIFEST_DIRECTORY:
                        waiting.append(path + "/")
        except OSError as error:
            raise StorageError("listing", os.path.join(root, prefix), error) from error


def count_files(root: str) -> int:
    """How many files :func:`iter_files` would give."""
    count, waiting = 0, [root]
    while waiting:
        directory = waiting.pop()
        with storage_errors("listing", directory), os.scandir(directory) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    count += 1
                elif directory != root or entry.name != MANIFEST_DIRECTORY:
                    waiting.append(entry.path)
    return count


def iter_unlisted(found: Iterable[str], listed: Iterable[str], sorter: Callable[[str], Sorter]) -> Iterator[str]:
    """The files below a directory that a list does not name.

    :param sorter: makes one that sorts them, if they are long.
    """
    present, named = sorter("present"), sorter("listed")
    for path in found:
        present.add(order_of(path), b"present")
    for path in listed:
        named.add(order_of(path), b"listed")
    for order, lines in groupby(heapq.merge(present, named, key=itemgetter(0)), key=itemgetter(0)):
        if all(side == b"present" for _, side in lines):
            yield path_at(order)
