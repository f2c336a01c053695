"""One stage: what is read, what is called, what is written, and the policies for what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.codecs.registry import resolve_codec
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.members import text_problem
from airflow_dirops.core.format.pins import Pin
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.report.outcome import Progress
from airflow_dirops.core.stage.functions import UserFunction
from airflow_dirops.core.stage.locations import SourceLike, checked_path, checked_source
from airflow_dirops.core.stage.partitions import Partitions, PartitionsLike
from airflow_dirops.core.stage.patterns import one_of
from airflow_dirops.core.stage.policies import (
    Durability,
    Empty,
    Join,
    OnConflict,
    OnError,
    Redo,
    Replaceable,
    check_policies,
    failure_budget,
)
from airflow_dirops.core.stage.recipe import Recipe
from airflow_dirops.core.stage.retention import Retention, check_retention


class StageOptions(TypedDict, total=False):
    """What both kinds of stage take by keyword.

    :param pattern: glob over the source's paths; with ``join``, a list has one for each source.
    :param codec: of the outputs, a name or a codec of your own.
    :param source_codec: of the source's snapshot, needed for pickles and codecs that are not registered.
    :param stage: the stage's name; by default the function's.
    :param partition: the folder's name, for the manifest.
    :param params: handed to functions that ask for ``params``.
    :param run: calls naming the same run are tries of it.
    :param attempt: the same, whole, from a scheduler.
    :param empty: for a source with no matching file or, if what it lies in is there, no folder; and where all that
        was read gave nothing. It lies in the deepest folder that ``partition`` has no part in.
    :param on_error: for an input that fails.
    :param max_failures: how many inputs may fail, a count or a percentage such as ``"1%"``.
    :param max_removed: how many of the results that are there may go in one run, net, a count or a percentage. By
        default half, where there are 20 or more; ``"100%"`` lets everything go.
    :param file_retries: how often an input that failed is tried again, after all others.
    :param file_timeout: the seconds that one input may take; then its process is killed.
    :param workers: how many processes work, or ``"auto"``: as many as this one may use CPUs. With one, and without
        ``file_timeout``, the functions run in this very process.
    :param batch_size: give ``transform`` a list of so many values, and expect as many results.
    :param join: where the source is a list of sources: ``inner`` takes the keys that all of them have, ``outer`` those
        that any has, ``strict`` expects every key in each. ``transform`` gets a positional argument from each source.
    :param durability: ``full`` survives a power loss, ``process`` a crash of the process.
    :param on_conflict: when another run committed meanwhile.
    :param redo: which inputs run: those that need to, since they or the code are new, changed or missing in the target;
        with ``"damaged"`` also those whose outputs no longer have their digests; or ``"all"``.
    :param accept_code_change: keep what was made by the code before, and go on with this one.
    :param limit: a trial run over the first so many inputs; never replaces a snapshot of all of them.
    :param dry_run: say what would run and why, and write nothing.
    :param version: stands for the function's code.
    :param follow_symlinks: descend into links to directories.
    :param may_replace: what else than its own snapshots the stage may replace: ``"unmanaged"``, a directory that no
        stage wrote and that is moved aside, and ``"other_stage"``, another stage's snapshot.
    :param retention: how long replaced snapshots are kept.
    :param on_progress: called about once a second. Without it, a bar is shown where stderr is a terminal.
    """

    pattern: str | Sequence[str]
    codec: str | Codec
    source_codec: str | Codec | None
    stage: str | None
    partition: str | None
    params: Mapping[str, Any] | None
    run: str | None
    attempt: Attempt | None
    empty: Empty
    on_error: OnError
    max_failures: int | str | None
    max_removed: int | str | None
    file_retries: int
    file_timeout: float | None
    workers: int | Literal["auto"]
    batch_size: int | None
    join: Join | None
    durability: Durability
    on_conflict: OnConflict
    redo: Redo
    accept_code_change: bool
    limit: int | None
    dry_run: bool
    version: str | None
    follow_symlinks: bool
    may_replace: Collection[Replaceable]
    retention: Retention
    on_progress: Callable[[Progress], None] | None


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage, checked: see :class:`StageOptions` for the fields.

    :param read: called with a path; where it is None the source's codec decodes.
    :param transform: called with what was read or decoded; where it is None that is the result.
    :param aggregate: instead of ``transform``: called once, with an iterator over all that was read or decoded.
    :raises ArgumentRefused: with everything that cannot be used.
    """

    source: SourceLike | PartitionsLike | list[SourceLike] | tuple[SourceLike, ...]
    target: str | os.PathLike[str]
    read: Callable[..., Any] | None = None
    transform: Callable[..., Any] | None = None
    aggregate: Callable[..., Any] | None = None
    pattern: str | Sequence[str] = "**/*"
    codec: str | Codec = "npy"
    source_codec: str | Codec | None = None
    stage: str | None = None
    partition: str | None = None
    params: Mapping[str, Any] | None = None
    run: str | None = None
    attempt: Attempt | None = None
    empty: Empty = "fail"
    on_error: OnError = "fail"
    max_failures: int | str | None = None
    max_removed: int | str | None = None
    file_retries: int = 0
    file_timeout: float | None = None
    workers: int | Literal["auto"] = 1
    batch_size: int | None = None
    join: Join | None = None
    durability: Durability = "full"
    on_conflict: OnConflict = "fail"
    redo: Redo = "needed"
    accept_code_change: bool = False
    limit: int | None = None
    dry_run: bool = False
    version: str | None = None
    follow_symlinks: bool = False
    may_replace: Collection[Replaceable] = frozenset()
    retention: Retention = field(default_factory=Retention)
    on_progress: Callable[[Progress], None] | None = None
    sources: tuple[str | Pin | Partitions, ...] = field(init=False, default=())
    functions: tuple[UserFunction, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", checked_path("target", self.target))
        check_retention(self.retention)
        check_policies({name: getattr(self, name) for name in StageOptions.__annotations__})
        self._check_sources()
        self._check_patterns()
        functions = [
            UserFunction(function, role, len(self.sources) if role == "transform" else 1)
            for role, function in (("read", self.read), ("transform", self.transform), ("aggregate", self.aggregate))
            if function is not None
        ]
        object.__setattr__(self, "functions", tuple(functions))
        if findings := [*self._contradictions(), *self._unwritable()]:
            raise ArgumentRefused("this stage cannot run", findings)

    @property
    def source_is_planned(self) -> bool:
        """Whether a source is the outcome of a dry run: it names what was there before, if anything."""
        return any(isinstance(one, Pin) and one.is_planned for one in self.sources)

    @property
    def is_joined(self) -> bool:
        return isinstance(self.source, list | tuple)

    @property
    def patterns(self) -> tuple[str, ...]:
        """One for each source."""
        return (self.pattern,) * len(self.sources) if isinstance(self.pattern, str) else tuple(self.pattern)

    @property
    def function_name(self) -> str:
        return " then ".join(function.name for function in self.functions)

    @property
    def name(self) -> str:
        return self.stage or self.function_name

    @property
    def output_codec(self) -> Codec:
        return resolve_codec(self.codec)

    @property
    def redoes_all(self) -> bool:
        return self.redo == "all"

    @property
    def redoes_damaged(self) -> bool:
        return self.redo == "damaged"

    @property
    def recipe(self) -> Recipe:
        """What whoever works on an input has to know."""
        by_role = {function.role: function for function in self.functions}
        return Recipe(
            name=self.name,
            read=by_role.get("read"),
            make=by_role.get("transform") or by_role.get("aggregate"),
            codec=self.output_codec,
            params=self.params or {},
            partition=self.partition,
            join=self.join,
            batch_size=self.batch_size,
            on_error=self.on_error,
        )

    def allowed_failures(self, total: int) -> int:
        """How many of ``total`` inputs may fail."""
        return 0 if self.on_error == "fail" else failure_budget(self.max_failures, total)

    def _check_patterns(self) -> None:
        if isinstance(self.pattern, list | tuple):
            if not self.is_joined:
                one = (
                    one_of(self.pattern) if self.pattern and all(isinstance(each, str) for each in self.pattern) else ""
                )
                advice = f"write pattern={one!r}" if one else "write one, such as pattern='**/*.{png,jpg}'"
                raise ArgumentRefused(
                    f"pattern={self.pattern!r} is a list, which is for joined sources, one for each; to read what "
                    f"any of several patterns matches, {advice}"
                )
            if len(self.pattern) != len(self.sources):
                raise ArgumentRefused(
                    f"pattern={self.pattern!r} has {len(self.pattern)} patterns for {len(self.sources)} sources; "
                    "give one for each, or one for all"
                )
            return
        if not isinstance(self.pattern, str):
            raise ArgumentRefused(
                f"the pattern {self.pattern!r} cannot select files of a source; give a glob relative to it"
            )

    def _check_sources(self) -> None:
        given = tuple(self.source) if isinstance(self.source, list | tuple) else (self.source,)
        if self.is_joined != (self.join is not None):
            raise ArgumentRefused(
                f"source={self.source!r} and join={self.join!r} do not fit: a list of sources needs join='inner', "
                "'outer' or 'strict', which match their files by key, and a single one none; or make a stage for each"
            )
        if self.is_joined and len(given) < 2:
            raise ArgumentRefused(f"join={self.join!r} needs at least two sources, and source={self.source!r}")
        if self.is_joined and any(isinstance(one, PartitionsLike) for one in given):
            raise ArgumentRefused(
                "join= matches directories, and one of its sources stands for several partitions; join those of each "
                "partition in a stage of its own, and roll its target up"
            )
        checked = [one.settle() if isinstance(one, PartitionsLike) else checked_source("source", one) for one in given]
        object.__setattr__(self, "source", checked if self.is_joined else checked[0])
        object.__setattr__(self, "sources", tuple(checked))
        if self.source_is_planned and not self.dry_run:
            raise ArgumentRefused("the source is what a dry run came to, and nothing was made; run its stage first")

    def _unwritable(self) -> Iterator[str]:
        """What the manifest could not hold, which would come out after the work."""
        texts = {"stage=": self.name, "partition=": self.partition, "run=": self.run}
        texts["the function's name"] = self.function_name
        if self.attempt is not None:
            run = self.attempt.run
            texts["the attempt's dag_id"], texts["the attempt's run_id"] = run.dag_id, run.run_id
            texts["the attempt's task_id"], texts["the attempt's order"] = run.task_id, self.attempt.order
        for what, text in texts.items():
            if text is not None and (problem := text_problem(text)):
                yield f"{what} {shown(repr(text), 100)} cannot be written into a manifest: {problem}"

    def _contradictions(self) -> Iterator[str]:
        if self.max_failures is not None and self.on_error == "fail":
            yield "max_failures= is for on_error='quarantine'; with 'fail' the first file that fails ends it all"
        if self.batch_size is not None and self.join is not None:
            yield "batch_size= and join= do not go together yet: join in one stage, and take batches in the next"
        if self.batch_size is not None and self.transform is None:
            yield "batch_size= is for a transform, which then gets a list of values"
        if self.join is not None and self.read and self.transform is None and self.aggregate is None:
            yield "join= is for a transform or an aggregate, which gets a value from each source"
        if self.aggregate is not None:
            yield from self._contradictions_to_aggregate()

    def _contradictions_to_aggregate(self) -> Iterator[str]:
        if self.transform is not None:
            yield "it has both transform= and aggregate=; call one from the other, or make two stages"
        if self.workers != 1 or self.file_timeout is not None or self.file_retries:
            yield "aggregate= is one call over all records: workers=, file_timeout= and file_retries= have no meaning"
        if self.accept_code_change:
            yield "accept_code_change= has nothing to keep, since aggregate= makes all or nothing; leave it out"
        if named := {"key", "path", "record"}.intersection(self.functions[-1].wanted):
            yield f"aggregate= has no {', '.join(sorted(named))} of its own; each record that it gets has"
