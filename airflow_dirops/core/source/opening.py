"""Open what a stage reads, and refuse at once what it could not read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.errors import ArgumentRefused, NotHeld, SourceMissing, storage_errors
from airflow_dirops.core.format.manifest import HEADER
from airflow_dirops.core.format.pins import ListingPin, Pin, SnapshotPin
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.places import place_of
from airflow_dirops.core.snapshot.opening import open_snapshot
from airflow_dirops.core.source.absence import Absence, is_there
from airflow_dirops.core.source.bare import BareDirectory
from airflow_dirops.core.source.committed import SnapshotSource
from airflow_dirops.core.source.joining import JoinedSource
from airflow_dirops.core.source.partitions import open_partitions
from airflow_dirops.core.source.pinned import open_pinned
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.partitions import Partitions
from airflow_dirops.core.stage.patterns import Selection
from airflow_dirops.core.stage.stage import Stage


def open_sources(stage: Stage, snapshots: Mapping[str, str] | None = None) -> Source:
    """The source of a stage, held open; or its sources, joined.

    :param snapshots: of directories, which of their snapshots is read, if it is not the current one.
    :raises SourceMissing: if a directory is not there, and ``empty=`` does not cover that.
    :raises ArgumentRefused: if it is the result of a trial run, and this is none.
    """
    if isinstance(together := stage.sources[0], Partitions):
        return open_partitions(
            together,
            lambda path: _open_single(stage, _pinned(path, snapshots), stage.patterns[0]),
            selection=Selection(stage.patterns[0]),
            absence=Absence(stage),
        )
    with ExitStack() as opened:
        singles = [
            opened.enter_context(closing(_open_single(stage, _pinned(location, snapshots), pattern)))
            for location, pattern in zip(_single_locations(stage), stage.patterns, strict=True)
        ]
        _check_missing(stage, singles)
        opened.pop_all()
    return singles[0] if stage.join is None else JoinedSource(singles, stage.join)


def _pinned(location: str | Pin, snapshots: Mapping[str, str] | None) -> str | Pin:
    if isinstance(location, str) and snapshots and (snapshot := snapshots.get(location)):
        return SnapshotPin(target=location, snapshot=snapshot)
    return location


def _single_locations(stage: Stage) -> Iterator[str | Pin]:
    return (each for each in stage.sources if not isinstance(each, Partitions))


def check_readable(stage: Stage, source: Source) -> None:
    """Refuse a source that nothing says how to decode.

    :raises ArgumentRefused: if nothing says how to decode what is there.
    :raises UntrustedPickle: if decoding would run code, and nobody vouched for it.
    """
    if stage.read is not None:
        return
    for single in source.singles:
        if single.snapshot is not None:
            # Asked for now: whether it may be decoded is known before anything is written.
            _ = single.snapshot.codec
        elif not single.is_missing:
            raise ArgumentRefused(
                f"{str(single.path)!r} was not committed by a stage, so nothing says how to decode its files; "
                "give read=, a function that takes a path, or name a stage's target as the source"
            )


def _open_single(stage: Stage, location: str | Pin, pattern: str) -> Source:
    source = open_source(
        location,
        selection=Selection(pattern),
        codec=stage.source_codec,
        follow_symlinks=stage.follow_symlinks,
        apart_from=Path(stage.target),
        absence=Absence(stage),
    )
    if source.snapshot is not None and stage.limit is None and (limit := source.snapshot.manifest.limit):
        source.close()
        raise ArgumentRefused(
            f"the source {str(source.path)!r} is the result of a trial run over the first {limit} inputs; "
            "run its stage without limit first, or give this one a limit too, 'Trial run' in the trigger form"
        )
    return source


def _check_missing(stage: Stage, singles: list[Source]) -> None:
    """An inner join with a source that is missing is empty; the others would go on without it."""
    missing = [single for single in singles if single.is_missing]
    if missing and len(missing) < len(singles) and stage.join != "inner":
        names = " and ".join(repr(os.fspath(single.path)) for single in missing)
        raise SourceMissing(
            f"of the joined sources {names} does not exist, and the others do; empty={stage.empty!r} stands for that "
            f"with join='inner' only, since join={stage.join!r} would go on without it. Check the path and that it is "
            "mounted"
        )


def open_source(
    source: str | Pin,
    *,
    selection: Selection,
    codec: str | Codec | None = None,
    follow_symlinks: bool = False,
    apart_from: Path | None = None,
    absence: Absence,
) -> Source:
    """Hold a source open.

    :param source: an absolute path, or what names it as it was.
    :param apart_from: a directory that no link may lead to: the target.
    :param absence: judges a directory that is not there.
    :raises SourceMissing: if there is no such directory, and it is not one that may be missing.
    :raises SnapshotExpired: if a pinned snapshot is no longer kept.
    :raises NotHeld: if it was held, and nobody has published it.
    :raises ListingChanged: if a directory is gone that was pinned as it was.
    """
    if isinstance(source, ListingPin):
        return open_pinned(source, selection=selection, apart_from=apart_from)
    if isinstance(source, Pin):
        if source.was_held:
            _refuse_unpublished(source)
        return SnapshotSource(open_snapshot(source, codec=codec), selection)
    path = Path(source)
    with storage_errors("opening the source", path):
        if not is_there(path):
            absence.check(path)
            return BareDirectory(path, selection, is_missing=True)
        if not path.is_dir():
            raise SourceMissing(f"the source {str(path)!r} is a file; a stage reads a directory")
        if (path / HEADER).exists():
            return SnapshotSource(open_snapshot(path, codec=codec), selection)
    return BareDirectory(path, selection, follow_symlinks=follow_symlinks, apart_from=apart_from)


def _refuse_unpublished(pin: SnapshotPin) -> None:
    place = place_of(pin.target)
    if any(kept.manifest.snapshot == pin.snapshot for kept in place.list_kept()):
        return
    raise NotHeld(
        f"snapshot {pin.snapshot} of {pin.target!r} was held by the stage that made it, and is not published, so "
        "nothing reads it; let this stage come after a PublishOperator, with its output as source, or publish it: "
        f"{dirops_command('publish', pin.target, options=(f'--snapshot={pin.snapshot}',))}"
    )
