"""Files that somebody put into a target by hand: the next commit moves them aside with the snapshot, and says so."""

from __future__ import annotations

from collections.abc import Callable

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.disk.trees import iter_unlisted
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.messages.first_few import first_few
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.snapshot.reader import Snapshot

log = logger(__name__)

_MAX_NAMED = 5


def warn_of_strays(base: Snapshot, retired: str, sorter: Callable[[str], Sorter]) -> None:
    """Tell of files in a snapshot's directory that it does not list. Nothing here stops a commit.

    :param base: the snapshot that will be replaced.
    :param retired: where it is kept then.
    :param sorter: makes one that sorts long lists.
    """
    try:
        # Counted first, which is cheap: mostly that is all.
        if base.held.count_files() <= base.manifest.counts.entries:
            return
        paths = iter_unlisted(base.held.iter_files(), (entry.path for entry in base.iter_entries()), sorter)
        strays = first_few(paths, _MAX_NAMED, repr)
        if not strays.count:
            return
    except DiropsError as error:
        log.warning("the files in %s could not be compared with its lists: %s", base.name, error)
        return
    log.warning(
        "%d files in %s were not made by its stage: %s; they leave the target with the snapshot that is "
        "replaced, and are kept in %s for as long as that is. Copy them from there if they are wanted",
        strays.count,
        base.name,
        strays.phrase(),
        retired,
    )
