"""In which target a file lies."""

from __future__ import annotations

import os
from typing import NamedTuple

from airflow_dirops.core.errors import ArgumentRefused, ManifestMissing
from airflow_dirops.core.format.entries import CONTROL_DIRECTORY, MANIFEST_DIRECTORY
from airflow_dirops.core.place.held import Held
from airflow_dirops.core.places import place_of


class Within(NamedTuple):
    """A file of a target.

    :param target: the target's real path; also where the file lies in a snapshot that was replaced.
    :param held: the snapshot that it lies in, held open.
    :param path: the file's, relative to it.
    """

    target: str
    held: Held
    path: str


def find_target_of(path: str) -> Within | None:
    """The target that a file lies in, or lay in; None if it lies in none.

    :param path: real and absolute.
    :raises ArgumentRefused: if it is a part of a manifest, and no file of a stage.
    """
    folder, name = os.path.split(path)
    inner = name
    while folder != os.path.dirname(folder):
        try:
            held = place_of(folder).hold()
        except ManifestMissing:
            folder, name = os.path.split(folder)
            inner = os.path.join(name, inner)
            continue
        if inner.split("/")[0] == MANIFEST_DIRECTORY:
            held.close()
            raise ArgumentRefused(f"{path!r} is a part of a manifest; name a file that a stage made")
        return Within(_target_of(folder), held, inner)
    return None


def _target_of(folder: str) -> str:
    """The target that a snapshot belongs to: a replaced one lies in its control directory."""
    parts = folder.split("/")
    if CONTROL_DIRECTORY not in parts:
        return folder
    at = parts.index(CONTROL_DIRECTORY)
    return "/".join([*parts[:at], *parts[at + 1 : at + 2]])
