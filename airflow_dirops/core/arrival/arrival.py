"""Wait for a bare directory: what one look after the other came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow_dirops.core.arrival.judgement import Memory, lacking
from airflow_dirops.core.arrival.look import look_at
from airflow_dirops.core.arrival.rules import Rules
from airflow_dirops.core.format.pins import SeenListing


@dataclass(frozen=True)
class Arrived:
    """What a look came to.

    :param listing: what it saw, if the directory is complete.
    :param lacking: what is missing yet, if it is not.
    :param memory: what the next look has to know.
    :param is_there: whether there is such a directory at all.
    """

    listing: SeenListing | None
    lacking: str
    memory: dict[str, Any]
    is_there: bool


def look_for(directory: str, rules: Rules, memory: Mapping[str, Any] | None = None) -> Arrived:
    """Look once.

    :param directory: where it is or will be, absolute.
    :param memory: what the look before gave.
    :raises ArgumentRefused: if the directory can never be complete.
    :raises StorageError: if the file system refuses to be looked at.
    """
    look = look_at(directory, rules)
    remembered = Memory(**(memory or {})).after(look)
    missing = "; ".join(lacking(rules, look, remembered))
    return Arrived(None if missing else look.listing, missing, asdict(remembered), is_there=not look.absent)
