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
from airflow_dirops.core.stage.agreement import ROLES, check_agreement, checks_of
from airflow_dirops.core.stage.dimensions import check_dimensions
from airflow_dirops.core.stage.functions import UserFunction
from airflow_dirops.core.stage.locations import SourceLike, checked_path, checked_source
from airflow_dirops.core.stage.options import OPTIONS, StageOptions
from airflow_dirops.core.stage.partitions import Partitions, PartitionsLike
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
    checks: tuple[UserFunction, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", checked_path("target", self.target))
        object.__setattr__(self, "dimensions", check_dimensions(self.dimensions))
        if self.retention is not None:
            check_retention(self.retention)
        check_policies({name: getattr(self, name) for name in OPTIONS}, OPTIONS)
        self._settle_sources()
        given = {name: getattr(self, name) for name in (*OPTIONS, "source", *ROLES)}
        object.__setattr__(self, "functions", check_agreement(given))
        object.__setattr__(self, "checks", checks_of(self.check))
        if findings := list(self._unwritable()):
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

    def _settle_sources(self) -> None:
        given = tuple(self.source) if isinstance(self.source, list | tuple) else (self.source,)
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
