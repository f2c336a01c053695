"""The places where targets are kept, each behind the seam in :mod:`airflow_dirops.core.place`."""

from __future__ import annotations

import os

from airflow_dirops.core.place.place import Place
from airflow_dirops.core.places.directory.place import DirectoryPlace


def place_of(target: str | os.PathLike[str]) -> Place:
    """Where a target is kept.

    :param target: its absolute path.
    """
    return DirectoryPlace(target)
