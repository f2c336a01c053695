"""Draw up a stage's plan: what its options and its base mean for what runs and what is carried over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.places.directory.recovery import DeadAttempt
from airflow_dirops.core.plan.plan import Plan
from airflow_dirops.core.plan.recorded import finished_inputs, recorded_inputs
from airflow_dirops.core.report.changes import changes_since
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.stage import Stage


def draw_up(
    stage: Stage,
    source: Source,
    base: Snapshot | None,
    *,
    code: Code | None,
    spill: Path,
    full: bool,
    dead: Iterable[DeadAttempt] = (),
) -> Plan:
    """List the source and set it beside what is there already.

    :param base: the snapshot that would be replaced.
    :param code: of the stage's functions; None where there are none to compare.
    :param spill: where long lists are sorted.
    :param full: redo everything.
    :param dead: attempts whose finished files may be reused.
    """
    changes = None if base is None else changes_since(base.manifest.function.code, code)
    is_accepted = changes is not None and stage.accept_code_change
    if is_accepted:
        _check_codec(stage, base)
    return Plan(
        inputs=list_inputs(stage, source, spill),
        recorded=None if base is None or full else recorded_inputs(base, Sorter(spill, "recorded")),
        finished=finished_inputs(dead, Sorter(spill, "finished")),
        base=base,
        code_changes=None if is_accepted else changes,
        full=full,
        is_due=full or is_accepted or not is_own(stage, base),
        verify=stage.redoes_damaged,
    )


def list_inputs(stage: Stage, source: Source, spill: Path) -> Iterable[Input]:
    """The inputs of a stage, in order, as often as asked.

    :param spill: where a long list is sorted.
    """
    inputs = source.list_inputs(Sorter(spill, "source"))
    return inputs if stage.limit is None else _First(inputs, stage.limit)


def is_own(stage: Stage, base: Snapshot | None) -> bool:
    """Whether the base is this stage's own work, and as whole as what this run makes."""
    if base is None or base.manifest.stage != stage.name:
        return False
    return base.manifest.limit is None or stage.limit is not None


def _check_codec(stage: Stage, base: Snapshot | None) -> None:
    if base and (before := base.manifest.codec.name) != stage.output_codec.name:
        raise ArgumentRefused(
            f"accept_code_change=True keeps the files that are there, and they were written with codec {before!r}, "
            f"not {stage.output_codec.name!r}; leave it out, so that they are made again"
        )


@dataclass(frozen=True)
class _First:
    """The first few inputs, as often as asked."""

    inputs: Iterable[Input]
    count: int

    def __iter__(self) -> Iterator[Input]:
        return islice(self.inputs, self.count)
