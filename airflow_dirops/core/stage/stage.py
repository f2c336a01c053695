"""One stage: what is read, what is called, what is written, and the policies for what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.codecs.registry import resolve_codec
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.members import text_problem
from airflow_dirops.core.format.pins import Pin
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.stage.dimensions import check_dimensions
from airflow_dirops.core.stage.functions import UserFunction
from airflow_dirops.core.stage.locations import SourceLike, checked_path, checked_source
from airflow_dirops.core.stage.options import OPTIONS, StageOptions
from airflow_dirops.core.stage.partitions import Partitions, PartitionsLike
from airflow_dirops.core.stage.patterns import one_of
from airflow_dirops.core.stage.policies import check_policies, failure_budget
from airflow_dirops.core.stage.recipe import Recipe
from airflow_dirops.core.stage.retention import check_retention


@dataclass(frozen=True, kw_only=True)
class Stage(StageOptions):
    """A stage, checked: what it reads, calls and writes, and its options.

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
    sources: tuple[str | Pin | Partitions, ...] = field(init=False, default=())
    functions: tuple[UserFunction, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", checked_path("target", self.target))
        object.__setattr__(self, "dimensions", check_dimensions(self.dimensions))
        if self.retention is not None:
            check_retention(self.retention)
        check_policies({name: getattr(self, name) for name in OPTIONS}, OPTIONS)
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
            dimensions=self.dimensions or {},
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
        if self.shards is not None:
            yield (
                "shards= is for work on one record after the other, and aggregate= is one call over all of them; give "
                "shards= to the stage that makes the records, and aggregate over its target without them"
            )
        if self.accept_code_change:
            yield "accept_code_change= has nothing to keep, since aggregate= makes all or nothing; leave it out"
        if named := {"key", "path", "record"}.intersection(self.functions[-1].wanted):
            yield f"aggregate= has no {', '.join(sorted(named))} of its own; each record that it gets has"
