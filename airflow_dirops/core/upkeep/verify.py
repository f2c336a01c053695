"""Compare a snapshot with its manifest: what is missing, changed, or there though nobody committed it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from airflow_dirops.core.disk.sorting import Line, Sorter
from airflow_dirops.core.errors import ManifestDamaged
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY, Entry, order_of, path_at
from airflow_dirops.core.format.lists import LISTS
from airflow_dirops.core.snapshot.contents import iter_list
from airflow_dirops.core.snapshot.opening import open_snapshot
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.upkeep.door import Target, door

Problem = Literal["missing", "changed", "extra", "list"]


@dataclass(frozen=True)
class Finding:
    """Something that is not as the manifest says.

    :param path: relative to the target.
    :param problem: ``missing``, ``changed``, ``extra``, or ``list`` where a list of the manifest itself is damaged.
    """

    path: str
    problem: Problem
    detail: str


@dataclass
class Verification:
    """What looking at a snapshot gave.

    :param entries: how many were compared.
    :param deep: by digest, and not only by size.
    """

    snapshot: str
    deep: bool
    entries: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.findings


@door
def verify(target: Target, *, deep: bool = False) -> Verification:
    """Compare a target with its manifest.

    :param deep: by digest, reading every byte; else by size.
    :raises ManifestMissing: if no stage committed there.
    """
    with open_snapshot(target) as snapshot:
        return verify_snapshot(snapshot, deep=deep)


def verify_snapshot(snapshot: Snapshot, *, deep: bool = False) -> Verification:
    """Compare every entry with the manifest, and the directory with the list of entries.

    :param deep: read every byte and compare digests; else sizes only.
    """
    result = Verification(snapshot.manifest.snapshot, deep)
    with TemporaryDirectory(prefix="dirops-verify-") as spill:
        present = Sorter(Path(spill), "present")
        for path in snapshot.held.iter_files():
            present.add(order_of(path), b"")
        try:
            for finding in _compare(snapshot, present, result):
                result.findings.append(finding)
            for name in LISTS:
                for _ in iter_list(snapshot.held, name):
                    pass
        except ManifestDamaged as error:
            result.findings.append(Finding(MANIFEST_DIRECTORY, "list", str(error)))
    return result


def _compare(snapshot: Snapshot, present: Sorter, result: Verification) -> Iterator[Finding]:
    """Walk the list of entries and the directory side by side, both in order."""
    listed: dict[str, Entry] = {}
    for order, lines in groupby(_merge(snapshot, present, listed), key=itemgetter(0)):
        sides = {side for _, side in lines}
        path = path_at(order)
        entry = listed.pop(path, None)
        result.entries += entry is not None
        if entry is None:
            yield Finding(path, "extra", "it is in no list of the manifest")
        elif b"present" not in sides:
            yield Finding(path, "missing", f"{entry.size} bytes were committed")
        elif problem := _difference(snapshot, entry, deep=result.deep):
            yield Finding(path, "changed", problem)


def _merge(snapshot: Snapshot, present: Sorter, listed: dict[str, Entry]) -> Iterator[Line]:
    def entries() -> Iterator[Line]:
        for entry in snapshot.iter_entries():
            listed[entry.path] = entry
            yield order_of(entry.path), b"listed"

    found = ((order, b"present") for order, _ in present)
    return heapq.merge(entries(), found, key=itemgetter(0))


def _difference(snapshot: Snapshot, entry: Entry, *, deep: bool) -> str | None:
    status = snapshot.held.status(entry.path)
    if status is None:
        return "there is no file of that name"
    if status.size != entry.size:
        return f"it has {status.size} bytes instead of {entry.size}"
    if deep and not snapshot.has_digest(entry.path, entry.digest):
        return "its digest differs"
    return None


def told(finding: Finding) -> str:
    """A finding in a sentence."""
    return f"{finding.path!r} is {finding.problem}: {finding.detail}"
