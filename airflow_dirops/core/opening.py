"""Open what a stage reads, and refuse at once what it could not read."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from pathlib import Path

from airflow_dirops.core.errors import ArgumentRefused, SourceMissing
from airflow_dirops.core.joining import JoinedSource
from airflow_dirops.core.sources import Source, SourceLike, open_source
from airflow_dirops.core.stage import Stage


def open_sources(stage: Stage) -> Source:
    """The source of a stage, held open; or its sources, joined.

    :raises SourceMissing: if a directory is not there, and ``empty=`` does not cover that.
    :raises ArgumentRefused: if it is the result of a trial run, and this is none.
    """
    with ExitStack() as opened:
        singles = [
            opened.enter_context(closing(_open_single(stage, *each)))
            for each in zip(stage.sources, stage.patterns, strict=True)
        ]
        _check_missing(stage, singles)
        opened.pop_all()
    return singles[0] if stage.join is None else JoinedSource(singles, stage.join)


def check_readable(stage: Stage, source: Source) -> None:
    """
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


def _open_single(stage: Stage, location: SourceLike, pattern: str) -> Source:
    source = open_source(
        location,
        pattern=pattern,
        codec=stage.source_codec,
        follow_symlinks=stage.follow_symlinks,
        may_be_missing=stage.empty != "fail",
        apart_from=Path(stage.target),
    )
    if source.snapshot is not None and stage.limit is None and (limit := source.snapshot.manifest.limit):
        source.close()
        raise ArgumentRefused(
            f"the source {str(source.path)!r} is the result of a trial run over the first {limit} inputs; "
            "run its stage without limit first, or give this one a limit too"
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
