"""Look at a bare directory once, in constant memory for any number of files."""

from __future__ import annotations

import os
import stat
import time
from errno import ELOOP, ENOENT, ENOTDIR
from pathlib import Path

from airflow_dirops.core.arrival.judgement import TICK_NS, Look
from airflow_dirops.core.arrival.rules import Rules
from airflow_dirops.core.errors import ArgumentRefused, StorageError, storage_errors
from airflow_dirops.core.format.manifest import HEADER
from airflow_dirops.core.format.pins import SeenListing
from airflow_dirops.core.messages.first_few import FirstFew, first_few
from airflow_dirops.core.source.bare import link_at
from airflow_dirops.core.source.listing import Listing
from airflow_dirops.core.source.seen import Tally
from airflow_dirops.core.stage.partitions import before_partition
from airflow_dirops.core.stage.patterns import Selection

_MAX_NAMED = 5


def look_at(directory: str, rules: Rules) -> Look:
    """Look whether a directory is complete.

    :param directory: where it is or will be, absolute.
    :raises ArgumentRefused: if something is in the way that waiting does not move: a file where a directory should
        be, or the other way round, or a directory that a stage wrote.
    :raises StorageError: if the file system refuses to be looked at.
    """
    at = time.time()
    if absent := _absence(directory):
        return Look(at=at, absent=absent)
    if rules.marker is not None and not _is_file(os.path.join(directory, rules.marker), "marker"):
        return Look(at=at, has_marker=False)
    try:
        look = _look_into(directory, rules)
        if not look.is_settled:
            time.sleep(2 * TICK_NS / 1e9)
            look = _look_into(directory, rules)
    except StorageError as error:
        if error.errno not in (ENOENT, ENOTDIR):
            raise
        return Look(at=at, absent=f"a folder went away while it was looked at: {error.filename!r}")
    return look


def deepest_directory(path: str) -> str:
    """The nearest directory above a path that exists.

    :param path: an absolute path, which may not be there yet.
    """
    parent = os.path.dirname(path)
    return parent if os.path.isdir(parent) or parent == path else deepest_directory(parent)


def landmark_of(path: str, partition: str | None) -> str:
    """A directory that is there as long as the file system is: none that comes and goes with a partition.

    :param path: an absolute path, which may not be there yet.
    :param partition: the name that was filled in, if any.
    """
    return deepest_directory(os.path.join(before_partition(path, partition), "_"))


def _absence(directory: str) -> str:
    """What keeps a directory from being looked into, though it may come; empty if it is there."""
    status = _status(directory)
    if status is None:
        if (leads_to := link_at(directory)) is not None:
            return f"it is a link to {leads_to!r}, and nothing is there; what it stands for may have to be mounted"
        above = deepest_directory(directory)
        if (in_the_way := _file_above(directory, above)) is not None:
            raise ArgumentRefused(
                f"the directory {directory!r} can never be there: {in_the_way!r} is a file; move it away, or mend the "
                "path"
            )
        return f"there is no such directory. The last one above it that is there is {above!r}"
    if not stat.S_ISDIR(status.st_mode):
        raise ArgumentRefused(
            f"{directory!r} is a file, and what is waited for is a directory; give the directory that it lies in, with "
            f"expected=[{os.path.basename(directory)!r}]"
        )
    if os.path.lexists(os.path.join(directory, HEADER)):
        raise ArgumentRefused(
            f"{directory!r} is the target of a stage, which is whole at any time; wait for it with a ManifestSensor"
        )
    return ""


def _file_above(directory: str, above: str) -> str | None:
    """What lies in the way to a directory, right below the last one above it that is there."""
    first = os.path.join(above, os.path.relpath(directory, above).split("/")[0])
    return first if os.path.exists(first) and not os.path.isdir(first) else None


def _look_into(directory: str, rules: Rules) -> Look:
    at = time.time()
    tally, expected, dangling = Tally(), set(rules.expected), FirstFew[str](_MAX_NAMED, repr)
    listing = Listing(Path(directory), Selection(rules.pattern), rules.follow_symlinks)
    for item in listing:
        expected.discard(item.path)
        if item.path == rules.marker:
            continue
        if item.dangling:
            dangling.add(item.path)
            continue
        tally.add(item.path, item.size, item.mtime_ns, listing.changed_ns)
    missing = first_few(sorted(expected), _MAX_NAMED, repr)
    for name in missing.kept:
        _is_file(os.path.join(directory, name), "expected file")
    return Look(
        at=at,
        listing=SeenListing(
            pattern=rules.pattern,
            files=tally.files,
            bytes=tally.bytes,
            digest=tally.digest,
            changed_ns=tally.changed_ns,
            marker=rules.marker,
            follow_symlinks=rules.follow_symlinks,
        ),
        newest=tally.newest,
        missing=missing,
        dangling=dangling,
    )


def _is_file(path: str, what: str) -> bool:
    """Whether a file is there.

    :raises ArgumentRefused: if a directory is in its place.
    """
    status = _status(path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise ArgumentRefused(f"the {what} {path!r} is a directory, so that it can never be a file; mend the name")
    return status is not None


def _status(path: str) -> os.stat_result | None:
    """What is there; None if nothing is."""
    try:
        with storage_errors("looking at", path):
            return os.stat(path)
    except StorageError as error:
        if error.errno in (ENOENT, ENOTDIR, ELOOP):
            return None
        raise
