"""Run a stage, or see what it would do: the doors for scripts, notebooks and tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Unpack

from airflow_dirops.core.dry_run import PlannedInputs, dry_run, warn_of_objection
from airflow_dirops.core.errors import ArgumentRefused, remaining_storage_errors
from airflow_dirops.core.pipeline import run_stage
from airflow_dirops.core.report.outcome import Outcome
from airflow_dirops.core.sharding.executor import run_in_shards
from airflow_dirops.core.stage.keywords import StageKeywords
from airflow_dirops.core.stage.locations import SourceLike
from airflow_dirops.core.stage.partitions import PartitionsLike
from airflow_dirops.core.stage.signature import with_options
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.stops import note_handlers


@with_options
def read_directory(
    *,
    source: SourceLike | PartitionsLike | list[SourceLike] | tuple[SourceLike, ...],
    target: str | os.PathLike[str],
    read: Callable[..., Any],
    **options: Unpack[StageKeywords],
) -> Outcome:
    """Read a directory file by file into a new snapshot of the target.

    :param source: the directory; or an outcome's ``to_dict()``, which pins the snapshot that it names.
    :param target: the directory that readers see, replaced as a whole.
    :param read: called with each file's path; returns None to skip it, a value, ``(path, value)``, or, as a
        generator, any number of ``(key, value)``.
    :param options: see :class:`~airflow_dirops.core.stage.keywords.StageKeywords`.
    :raises DiropsError: of the families in :mod:`airflow_dirops.core.errors`; the target is untouched then.
    """
    return run(Stage(source=source, target=target, read=read, **options))


@with_options
def transform_directory(
    *,
    source: SourceLike | PartitionsLike | list[SourceLike] | tuple[SourceLike, ...],
    target: str | os.PathLike[str],
    transform: Callable[..., Any] | None = None,
    aggregate: Callable[..., Any] | None = None,
    read: Callable[..., Any] | None = None,
    **options: Unpack[StageKeywords],
) -> Outcome:
    """Turn each record of a snapshot, or all of them together, into records of the target's new snapshot.

    :param source: a target that a stage committed; or a bare directory, with ``read=``; or, with ``join=``, a list;
        or :class:`~airflow_dirops.core.stage.partitions.Partitions` of a target.
    :param transform: called with each value; returns None, a value, or, as a generator, any number of
        ``(key, value)``.
    :param aggregate: instead of ``transform``: called once, with an iterator over all records, each with ``key``,
        ``path`` and ``value``; returns one value, named as the function is, or yields ``(key, value)``.
    :param read: decodes files that no stage wrote, as for :func:`read_directory`.
    :param options: see :class:`~airflow_dirops.core.stage.keywords.StageKeywords`.
    :raises DiropsError: as :func:`read_directory`.
    """
    return run(Stage(source=source, target=target, read=read, transform=transform, aggregate=aggregate, **options))


@with_options
def iter_plan(
    *,
    source: SourceLike | PartitionsLike | list[SourceLike] | tuple[SourceLike, ...],
    target: str | os.PathLike[str],
    read: Callable[..., Any] | None = None,
    transform: Callable[..., Any] | None = None,
    aggregate: Callable[..., Any] | None = None,
    on_objection: Callable[[str], None] = warn_of_objection,
    **options: Unpack[StageKeywords],
) -> PlannedInputs:
    """What a stage would do with each input, and why, one at a time; nothing is written.

    :param read: as for :func:`read_directory`. With no function at all, a change of the code is not looked at.
    :param transform: as for :func:`transform_directory`.
    :param aggregate: as for :func:`transform_directory`; all inputs run for the same reason, or none does.
    :param on_objection: is told, after the last input, each reason why a run would be refused before it computes
        anything, such as ``max_removed``; by default the log is.
    :param options: see :class:`~airflow_dirops.core.stage.keywords.StageKeywords`; ``stage`` is needed where a
        function is missing.
    :returns: an iterator, whose ``code_changes`` say from the first input on what of the code has changed.
    :raises DiropsError: when the first one is asked for, where the stage itself could not begin.
    """
    return PlannedInputs(
        Stage(source=source, target=target, read=read, transform=transform, aggregate=aggregate, **options),
        on_objection,
    )


def run(stage: Stage) -> Outcome:
    """Run a stage.

    :raises ArgumentRefused: if the stage has no function.
    """
    if not stage.functions:
        raise ArgumentRefused("this stage has no function; give transform=, aggregate= or read=")
    note_handlers()
    with remaining_storage_errors(stage.target):
        if stage.dry_run:
            return dry_run(stage)
        return run_stage(stage) if stage.shards is None and stage.executor is None else run_in_shards(stage)
