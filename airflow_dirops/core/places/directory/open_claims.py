"""Claims that outlive their process: written down for whoever goes on with them. Always under the target's lock."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from math import inf
from pathlib import Path

import msgspec

from airflow_dirops.core.disk.documents import read_document, replace_document
from airflow_dirops.core.disk.durable import sync_directory
from airflow_dirops.core.disk.removal import Concerns
from airflow_dirops.core.errors import DiropsError, ManifestDamaged, ManifestMissing
from airflow_dirops.core.format.control import FencedRun, OpenClaim
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.runs import Attempt, began_at
from airflow_dirops.core.places.directory.alive import may_be_at_work
from airflow_dirops.core.places.directory.areas import areas_of, id_in, list_attempts
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.header import read_manifest, snapshot_in
from airflow_dirops.core.rules.ownership import noted_by, open_until

_CLAIM = "claim.json"
# The clock that names an attempt and the one that notes when a snapshot was replaced may be of two machines.
_CLOCKS_DIFFER_SECONDS = 3600.0


def write_open_claim(control: ControlDirectory, attempt: str, claim: OpenClaim) -> None:
    """Write down, durably, what another process must know to go on with a claim."""
    directory = control.attempts / attempt
    replace_document(directory / _CLAIM, msgspec.json.encode(claim))
    sync_directory(directory)
    sync_directory(control.attempts)


def read_open_claim(control: ControlDirectory, attempt: str) -> OpenClaim | None:
    """What was written down, or None where nothing was.

    :raises ManifestDamaged: if it cannot be understood: then nobody can go on with it.
    :raises StorageError: if it cannot be read.
    """
    return read_document(control.attempts / attempt / _CLAIM, OpenClaim)


class OpenClaims:
    """The claims that are left open, as the fence and the target's header have them, each of which is read once."""

    def __init__(self, control: ControlDirectory) -> None:
        self._control = control

    @cached_property
    def _rows(self) -> dict[str, FencedRun]:
        return {row.attempt: row for row in self._control.read_fence().values() if row.open}

    @cached_property
    def _current(self) -> Manifest | None:
        return current_of(self._control)

    def open_until(self, attempt: str, areas: Sequence[Path]) -> float | None:
        """Until when a claim waits for a process that goes on with it, if none is at work on it; None if it does not.

        :param areas: the staging areas of the attempt.
        :returns: in seconds since the epoch.
        """
        row = self._rows.get(attempt)
        claim = self._claim_of(attempt) if row else None
        return self._open_until(row, claim, areas) if row and claim else None

    def waits_until(self, attempt: str, areas: Sequence[Path]) -> float | None:
        """The same, but without an end for as long as a process may be at work on it."""
        until = self.open_until(attempt, areas)
        return _or_at_work(until, areas)

    def bases(self, found: Concerns) -> Bases:
        """What they are based on, and would have to be there when they are committed.

        :param found: is told of claims whose base cannot be told.
        """
        known, since = set(), inf
        for attempt, areas in list_attempts(self._control.attempts) if self._rows else ():
            if (row := self._rows.get(attempt)) is None:
                continue
            try:
                claim = self._claim_of(attempt)
                until = _or_at_work(self._open_until(row, claim, areas), areas) if claim and claim.base else None
                if claim and claim.base and until is not None and until > time.time():
                    known.add(claim.base)
            except DiropsError as error:
                kept = f"{error}; what was replaced since it began is kept, as it may build on that"
                found.note("could not read the open claim", self._control.attempts / attempt, kept)
                since = min(since, began_at(attempt) - _CLOCKS_DIFFER_SECONDS)
        return Bases(frozenset(known), since)

    def _claim_of(self, attempt: str) -> OpenClaim | None:
        with suppress(ManifestDamaged):
            return read_open_claim(self._control, attempt)
        return None

    def _open_until(self, row: FencedRun, claim: OpenClaim, areas: Sequence[Path]) -> float | None:
        last_work = max((_time_of(area / "alive") for area in areas), default=0.0)
        sealed = sealed_in(areas) if noted_by(row) else ()
        return open_until(row, self._current, sealed, last_work, while_at_work=claim.while_at_work)


class Bases:
    """Retired snapshots that a claim which was left open is, or may be, based on.

    :param known: their ids.
    :param since: one that was replaced later may be one, in seconds since the epoch.
    """

    def __init__(self, known: frozenset[str], since: float) -> None:
        self._known = known
        self._since = since

    def may_include(self, path: Path) -> bool:
        """Whether a retired snapshot may be one."""
        return id_in(path.name) in self._known or path.stat().st_mtime >= self._since


def current_of(control: ControlDirectory) -> Manifest | None:
    """The header of the snapshot at the target, if there is one that can be read."""
    with suppress(ManifestMissing, ManifestDamaged):
        return read_manifest(control.target)
    return None


def sealed_in(areas: Iterable[Path]) -> frozenset[str]:
    """The snapshots that lie in staging areas: sealed there and not committed, or taken out of the target."""
    return frozenset(snapshot for area in areas if (snapshot := snapshot_in(area / "tree")))


def sealed_by(control: ControlDirectory, attempt: Attempt, fence: Mapping[str, FencedRun]) -> frozenset[str]:
    """The same for all of an attempt's; they are looked for only where it has noted a commit."""
    row = fence.get(attempt.run.fence_key)
    return sealed_in(areas_of(control.attempts, attempt.id)) if row and noted_by(row) else frozenset()


def _or_at_work(until: float | None, areas: Sequence[Path]) -> float | None:
    if until is not None and until <= time.time() and any(map(may_be_at_work, areas)):
        return inf
    return until


def _time_of(path: Path) -> float:
    with suppress(OSError):
        return os.lstat(path).st_mtime
    return 0.0
