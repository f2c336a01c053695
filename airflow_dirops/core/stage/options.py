"""The options of a stage: each is defined here, once.

Signatures, docstrings and the documentation's tables are made from this by ``make options``; the trigger form, the
operators' attributes and ``dirops plan`` read it. Where a type is one of those that
:mod:`~airflow_dirops.core.stage.policies` names, what is none of its choices is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_dirops.core.stage.option import FormField, Option, Where, option, options_of

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


@dataclass(frozen=True, kw_only=True)
class StageOptions:
    """What both kinds of stage take by keyword."""

    pattern: str | Sequence[str] = option(
        "**/*",
        Where.EVERY_DAY,
        "which files: a glob relative to the source; with ``join``, a list has one for each source. ``*`` stays within "
        "a folder, ``**/`` descends, ``{png,jpg}`` is a choice",
        is_templated=True,
        is_planned=True,
    )
    codec: str | Codec = option(
        "npy", Where.EVERY_DAY, "how values become files: a name or a codec object", see="functions.md", is_planned=True
    )
    source_codec: str | Codec | None = option(
        None,
        Where.EVERY_DAY,
        "how the source's files become values. Needed for pickles and for codecs that are not registered",
        is_planned=True,
    )
    workers: int | Literal["auto"] = option(
        1,
        Where.EVERY_DAY,
        'how many processes work on files, or ``"auto"``: one for each CPU that may be used. With one, and without '
        "``file_timeout``, none is started",
        see="functions.md",
    )
    join: Join | None = option(
        None,
        Where.EVERY_DAY,
        'how a list of sources is matched by key: ``"inner"`` takes the keys that all of them have, ``"outer"`` those '
        'that any has, ``"strict"`` expects each in all. ``transform`` gets a positional argument from each source',
        of="StagedTransformOperator",
        is_planned=True,
    )
    batch_size: int | None = option(
        None,
        Where.EVERY_DAY,
        "give ``transform`` a list of so many values, and expect as many results",
        of="StagedTransformOperator",
    )
    partition: str | None = option(None, Where.SCRIPTS, "the partition's name, for the manifest")
    dimensions: Mapping[str, str] | None = option(
        None,
        Where.SCRIPTS,
        'what else names the target, such as ``{"site": "berlin"}``, for the manifest; a snapshot of another site is '
        "never replaced",
    )
    params: Mapping[str, Any] | None = option(
        None, Where.SCRIPTS, "what functions that ask for ``params`` get", is_planned=True
    )
    run: str | None = option(None, Where.SCRIPTS, "calls that name the same run are tries of it")
    attempt: Attempt | None = option(None, Where.SCRIPTS, "the same, whole, from a scheduler")

    redo: Redo = option(
        "needed",
        Where.WHEN_WRONG,
        'which files to compute: those ``"needed"``, as they or the code are new, changed or missing in the target; '
        'with ``"damaged"`` also those whose results no longer have their digests; or ``"all"``',
        is_planned=True,
        form=FormField(
            title="Redo",
            text="Which files to compute. For damage, results that are kept are compared with their digests.",
            kind="choice",
            choices={
                "needed": "What is new, changed or missing",
                "damaged": "Also what is damaged",
                "all": "Everything",
            },
        ),
    )
    empty: Empty = option(
        "fail",
        Where.WHEN_WRONG,
        "what to do where no file matches, all that was read gave nothing, or the partition's folder is missing: "
        '``"fail"``, ``"skip"`` the stage, or ``"commit"`` an empty snapshot. Where the folder that partitions lie in '
        "is missing too, that is an error",
        see="functions.md",
        is_planned=True,
    )
    on_error: OnError = option(
        "fail",
        Where.WHEN_WRONG,
        '``"fail"`` at the first file that fails, or put it into ``"quarantine"`` and go on',
        is_planned=True,
        form=FormField(
            title="Files that fail",
            text="What to do about them. Those that are set aside are listed in the manifest.",
            kind="choice",
            choices={"fail": "Stop at the first", "quarantine": "Set them aside"},
        ),
    )
    max_failures: int | str | None = option(
        None,
        Where.WHEN_WRONG,
        'how many files may be quarantined, with ``on_error="quarantine"``: a count, or a percentage such as ``"1%"``, '
        "rounded down. ``None``: any number, as long as one input succeeds",
        form=FormField(
            title="How many may fail",
            text="A count such as 20, or a percentage such as 5%, of files to set aside. Empty: as the DAG says.",
            kind="text",
        ),
    )
    max_removed: int | str | None = option(
        None,
        Where.WHEN_WRONG,
        "how many of the results that are there may go in one run: a count, or a percentage. ``None`` is half, where "
        'there are 20 or more; ``"100%"`` lets everything go',
        see="safety.md",
        is_planned=True,
        form=FormField(
            name="accept_removal",
            title="Accept removals",
            text="For a run that was refused since too many results would go (TooManyRemoved): let them go.",
            kind="switch",
            gives="100%",
        ),
    )
    file_retries: int = option(
        0, Where.WHEN_WRONG, "how often a file that failed is tried again within the same run, after all others"
    )
    file_timeout: float | None = option(
        None, Where.WHEN_WRONG, "the seconds that one file may take; then the process that works on it is killed"
    )
    check: Callable[..., Any] | Sequence[Callable[..., Any]] | None = option(
        None,
        Where.WHEN_WRONG,
        "called with the sealed snapshot and the one that it would replace, or None, before anybody sees it; what it "
        "returns, yields or raises speaks against it, and nothing is published then. One function, or several",
        see="audit.md",
    )
    publish: Publish = option(
        "commit",
        Where.WHEN_WRONG,
        '``"commit"`` what was made, or ``"hold"`` it until somebody publishes or rejects it; or ``"if_passed"``: hold '
        "what its checks have found something in, and commit the rest",
        see="audit.md",
    )
    hold_hours: float = option(
        168,
        Where.WHEN_WRONG,
        "for how long a snapshot is held; what nobody has published by then is dropped",
    )
    on_conflict: OnConflict = option(
        "fail",
        Where.WHEN_WRONG,
        'when another run committed meanwhile: ``"fail"``, or let the ``"newest"`` or the ``"last"`` win',
    )

    stage: str | None = option(
        None,
        Where.SET_UP,
        "the stage's name in the manifest: by default the function's, in Airflow ``dag_id.task_id``",
        is_templated=True,
        is_planned=True,
    )
    durability: Durability = option(
        "full",
        Where.SET_UP,
        '``"full"`` survives a power loss, ``"process"`` a crash of the process',
        see="safety.md",
    )
    version: str | None = option(
        None,
        Where.SET_UP,
        "stands for the function's code: change it when the outputs must be made again",
        see="functions.md",
        is_planned=True,
    )
    retention: Retention | None = option(
        None,
        Where.SET_UP,
        "how long to keep replaced snapshots, such as ``Retention(keep_snapshots=3, keep_hours=48)``: at least so "
        "many, each at least for so long. What is left out is 1 and 24, in Airflow as ``[dirops]`` says; ``None`` "
        "leaves out both",
    )
    follow_symlinks: bool = option(
        False,
        Where.SET_UP,
        "descend into links to directories. Links to files are always followed",
        is_planned=True,
    )

    accept_code_change: bool = option(
        False,
        Where.ONE_RUN,
        "keep what was made by the code before, and go on with this one",
        is_planned=True,
        form=FormField(
            title="Accept a code change",
            text="Keep the results that are there, though the code that made them, or its params, have changed.",
            kind="switch",
        ),
    )
    limit: int | None = option(
        None,
        Where.ONE_RUN,
        "a trial run over the first so many inputs; it never replaces a snapshot of all of them",
        is_planned=True,
        form=FormField(
            title="Trial run",
            text="How many inputs to work on, the first by name, such as 20. The result is marked as a trial, makes no "
            "asset event, and never replaces a full one. Empty: all.",
            kind="count",
        ),
    )
    dry_run: bool = option(
        False,
        Where.ONE_RUN,
        "say what would run and why, and write nothing",
        form=FormField(title="Dry run", text="Only plan: log what would run and why, write nothing.", kind="switch"),
    )
    shards: int | None = option(
        None,
        Where.SCRIPTS,
        "cut the work into so many parts at most, and give each to ``executor``: about four for each of its processes",
        see="shards.md",
    )
    executor: Executor | None = option(
        None,
        Where.SCRIPTS,
        "works on the shards: any of ``concurrent.futures``, or what is like one, such as a Dask client's "
        "``get_executor(pure=False)``",
        see="shards.md",
    )
    may_replace: Collection[Replaceable] = option(
        frozenset(),
        Where.SCRIPTS,
        'what else than its own snapshots the stage may replace: ``"unmanaged"``, a directory that no stage wrote and '
        'that is moved aside, and ``"other_stage"``, another stage\'s snapshot',
    )
    on_progress: Callable[[Progress], None] | None = option(
        None,
        Where.SCRIPTS,
        "called about once a second. Without it, a bar is shown where stderr is a terminal",
    )


OPTIONS: dict[str, Option] = options_of(StageOptions)
