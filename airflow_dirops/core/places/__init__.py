"""The places where targets are kept, each behind the seam in :mod:`airflow_dirops.core.place`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.place.place import FoundTarget, Place
from airflow_dirops.core.places.directory import below
from airflow_dirops.core.places.directory.header import read_manifest
from airflow_dirops.core.places.directory.place import DirectoryPlace


def place_of(target: str | os.PathLike[str]) -> Place:
    """Where a target is kept.

    :param target: its absolute path.
    """
    return DirectoryPlace(target)


def read_header_at(path: str) -> Manifest:
    """The header of the current snapshot at a path, and nothing else; for whoever reads thousands of them.

    :param path: absolute.
    :raises ManifestMissing: if no stage has committed there.
    """
    return read_manifest(Path(path))


def was_skipped(path: str) -> bool:
    """Whether stages have been at work there, and none had anything to publish.

    :param path: absolute; of what is not there.
    """
    return below.was_skipped(path)


def is_target(path: str) -> bool:
    """Whether a stage has committed there, or tried to."""
    return below.is_target(path)


def iter_targets(folder: str) -> Iterator[FoundTarget | None]:
    """Every target below a folder, at any depth; None for every folder looked at, so that the caller may stop.

    A folder that cannot be looked into is told of, and the rest is gone through.
    """
    return below.iter_targets(folder)
