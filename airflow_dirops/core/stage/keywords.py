"""The options of a stage as keywords of a function: its body is made from ``options.py``, by ``make options``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from concurrent.futures import Executor
    from typing import Any, Literal

    from airflow_dirops.core.codecs.base import Codec
    from airflow_dirops.core.format.runs import Attempt
    from airflow_dirops.core.report.outcome import Progress
    from airflow_dirops.core.stage.policies import (
        Durability,
        Empty,
        Join,
        OnConflict,
        OnError,
        Publish,
        Redo,
        Replaceable,
    )
    from airflow_dirops.core.stage.retention import Retention


class StageKeywords(TypedDict, total=False):
    """What both kinds of stage take by keyword.



    :param pattern: which files: a glob relative to the source; with ``join``, a list has one for each source. ``*``
        stays within a folder, ``**/`` descends, ``{png,jpg}`` is a choice.
    :param codec: how values become files: a name or a codec object.
    :param source_codec: how the source's files become values. Needed for pickles and for codecs that are not
        registered.
    :param workers: how many processes work on files, or ``"auto"``: one for each CPU that may be used. With one, and
        without ``file_timeout``, none is started.
    :param join: how a list of sources is matched by key: ``"inner"`` takes the keys that all of them have, ``"outer"``
        those that any has, ``"strict"`` expects each in all. ``transform`` gets a positional argument from each source.
    :param batch_size: give ``transform`` a list of so many values, and expect as many results.
    :param partition: the partition's name, for the manifest.
    :param dimensions: what else names the target, such as ``{"site": "berlin"}``, for the manifest; a snapshot of
        another site is never replaced.
    :param params: what functions that ask for ``params`` get.
    :param run: calls that name the same run are tries of it.
    :param attempt: the same, whole, from a scheduler.
    :param redo: which files to compute: those ``"needed"``, as they or the code are new, changed or missing in the
        target; with ``"damaged"`` also those whose results no longer have their digests; or ``"all"``.
    :param empty: what to do where no file matches, all that was read gave nothing, or the partition's folder is
        missing: ``"fail"``, ``"skip"`` the stage, or ``"commit"`` an empty snapshot. Where the folder that partitions
        lie in is missing too, that is an error.
    :param on_error: ``"fail"`` at the first file that fails, or put it into ``"quarantine"`` and go on.
    :param max_failures: how many files may be quarantined, with ``on_error="quarantine"``: a count, or a percentage
        such as ``"1%"``, rounded down. ``None``: any number, as long as one input succeeds.
    :param max_removed: how many of the results that are there may go in one run: a count, or a percentage. ``None`` is
        half, where there are 20 or more; ``"100%"`` lets everything go.
    :param file_retries: how often a file that failed is tried again within the same run, after all others.
    :param file_timeout: the seconds that one file may take; then the process that works on it is killed.
    :param check: called with the sealed snapshot and the one that it would replace, or None, before anybody sees it;
        what it returns, yields or raises speaks against it, and nothing is published then. One function, or several.
    :param publish: ``"commit"`` what was made, or ``"hold"`` it until somebody publishes or rejects it; or
        ``"if_passed"``: hold what its checks have found something in, and commit the rest.
    :param hold_hours: for how long a snapshot is held; what nobody has published by then is dropped.
    :param on_conflict: when another run committed meanwhile: ``"fail"``, or let the ``"newest"`` or the ``"last"`` win.
    :param stage: the stage's name in the manifest: by default the function's, in Airflow ``dag_id.task_id``.
    :param durability: ``"full"`` survives a power loss, ``"process"`` a crash of the process.
    :param version: stands for the function's code: change it when the outputs must be made again.
    :param retention: how long to keep replaced snapshots, such as ``Retention(keep_snapshots=3, keep_hours=48)``: at
        least so many, each at least for so long. What is left out is 1 and 24, in Airflow as ``[dirops]`` says;
        ``None`` leaves out both.
    :param follow_symlinks: descend into links to directories. Links to files are always followed.
    :param accept_code_change: keep what was made by the code before, and go on with this one.
    :param limit: a trial run over the first so many inputs; it never replaces a snapshot of all of them.
    :param dry_run: say what would run and why, and write nothing.
    :param shards: cut the work into so many parts at most, and give each to ``executor``: about four for each of its
        processes.
    :param executor: works on the shards: any of ``concurrent.futures``, or what is like one, such as a Dask client's
        ``get_executor(pure=False)``.
    :param may_replace: what else than its own snapshots the stage may replace: ``"unmanaged"``, a directory that no
        stage wrote and that is moved aside, and ``"other_stage"``, another stage's snapshot.
    :param on_progress: called about once a second. Without it, a bar is shown where stderr is a terminal.
    """

    pattern: str | Sequence[str]
    codec: str | Codec
    source_codec: str | Codec | None
    workers: int | Literal["auto"]
    join: Join | None
    batch_size: int | None
    partition: str | None
    dimensions: Mapping[str, str] | None
    params: Mapping[str, Any] | None
    run: str | None
    attempt: Attempt | None
    redo: Redo
    empty: Empty
    on_error: OnError
    max_failures: int | str | None
    max_removed: int | str | None
    file_retries: int
    file_timeout: float | None
    check: Callable[..., Any] | Sequence[Callable[..., Any]] | None
    publish: Publish
    hold_hours: float
    on_conflict: OnConflict
    stage: str | None
    durability: Durability
    version: str | None
    retention: Retention | None
    follow_symlinks: bool
    accept_code_change: bool
    limit: int | None
    dry_run: bool
    shards: int | None
    executor: Executor | None
    may_replace: Collection[Replaceable]
    on_progress: Callable[[Progress], None] | None
