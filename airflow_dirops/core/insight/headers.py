"""The headers below some folders: one small file of each target, and of that no more than a table needs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from airflow_dirops.core import places
from airflow_dirops.core.errors import DiropsError, remaining_storage_errors
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.lists import FILES
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.places import iter_targets
from airflow_dirops.core.stage.locations import checked_path
from airflow_dirops.core.stage.partitions import without_partition


class SourceSeen(NamedTuple):
    """What a snapshot was made from.

    :param path: real and absolute; with ``{partition}`` in it where several were rolled up.
    :param snapshot: None for a folder that no stage wrote.
    """

    path: str
    snapshot: str | None
    stage: str | None


class RolledUp(NamedTuple):
    """One partition of a roll-up, and its snapshot; None where it was missing."""

    name: str
    snapshot: str | None
    stage: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of one header.

    :param target: the path under which it was found.
    :param real: the same without links.
    :param origin: the snapshot whose lists these are: another one after a roll-back.
    :param base: what it replaced; of one that replaced nothing all inputs were computed.
    """

    target: str
    real: str
    stage: str
    partition: str | None
    dimensions: Mapping[str, str]
    snapshot: str
    origin: str
    base: str | None
    created: str
    sources: tuple[SourceSeen, ...]
    rolled_up: tuple[RolledUp, ...]
    fingerprint: str | None
    inputs: int
    entries: int
    quarantined: int
    bytes: int
    seconds: float
    limit: int | None
    dag_id: str
    run_id: str
    files_digest: str


class Unread(NamedTuple):
    """A target whose header gives nothing, and why."""

    target: str
    real: str
    error: DiropsError


@dataclass
class Headers:
    """All that was found.

    :param unread: targets without a header that can be read; among them those that are gone or were never committed.
    :param troubles: folders that cannot be looked into.
    :param codes: what stands for the code, by fingerprint: many targets share a few.
    """

    seen: list[Seen] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    troubles: list[tuple[str, DiropsError]] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)

    def by_place(self) -> dict[str, Seen]:
        """Each by its real path."""
        return {seen.real: seen for seen in self.seen}


def read_headers(roots: Iterable[str | os.PathLike[str]]) -> Headers:
    """Read what lies below some folders, each target once.

    A folder that cannot be looked into, and a header that cannot be read, are told of; the rest goes on.
    """
    found, known = Headers(), set[str]()
    for root in roots:
        for path in _iter_below(checked_path("root", root), found):
            real = real_path(path)
            if real not in known:
                known.add(real)
                _read(path, real, found)
    return found


def read_header_at(place: str) -> Manifest | None:
    """The header of what lies at a path; None where no stage has committed, or what is there cannot be read."""
    try:
        with remaining_storage_errors(place):
            return places.read_header_at(place)
    except DiropsError:
        return None


def real_path(path: str) -> str:
    """A path without links."""
    parent, name = os.path.split(path)
    return os.path.realpath(path) if not name or os.path.islink(path) else os.path.join(_real_parent(parent), name)


@lru_cache(maxsize=64)
def _real_parent(path: str) -> str:
    return os.path.realpath(path)


def _iter_below(root: str, found: Headers) -> Iterator[str]:
    for each in iter_targets(root):
        if each is not None and each.error is not None:
            found.troubles.append((each.path, each.error))
        elif each is not None:
            yield each.path


def _read(path: str, real: str, found: Headers) -> None:
    try:
        with remaining_storage_errors(path):
            manifest = places.read_header_at(path)
    except DiropsError as error:
        found.unread.append(Unread(path, real, error))
        return
    code = manifest.function.code
    found.codes.setdefault(code.fingerprint, code)
    found.seen.append(seen_of(path, real, manifest))


def seen_of(path: str, real: str, manifest: Manifest) -> Seen:
    """What is kept of a header."""
    files = manifest.lists.get(FILES)
    return Seen(
        target=path,
        real=real,
        stage=manifest.stage,
        partition=manifest.partition,
        dimensions=manifest.dimensions,
        snapshot=manifest.snapshot,
        origin=manifest.restored or manifest.snapshot,
        base=manifest.base,
        created=manifest.created,
        sources=tuple(
            SourceSeen(source.path_from(real), source.snapshot, source.stage)
            for source in manifest.sources or (manifest.source,)
        ),
        rolled_up=tuple(RolledUp(each.partition, each.snapshot, each.stage) for each in manifest.partitions),
        fingerprint=manifest.function.fingerprint,
        inputs=manifest.counts.inputs,
        entries=manifest.counts.entries,
        quarantined=manifest.counts.quarantined,
        bytes=manifest.bytes,
        seconds=manifest.seconds,
        limit=manifest.limit,
        dag_id=manifest.attempt.dag_id,
        run_id=manifest.attempt.run_id,
        files_digest=files.digest if files else "",
    )


def template_of(seen: Seen) -> str:
    """The path that all partitions of its stage share."""
    return without_partition(seen.target, seen.partition)
