"""``dirops status``: what each partition of each stage is, and what it would take to make all of them whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Annotated, Any

import typer

from airflow_dirops.calendar.expected import ExpectedBetween
from airflow_dirops.cli.app import FAILED, FOUND, AsJson, command
from airflow_dirops.cli.backfill import runs_wanted, start_runs
from airflow_dirops.cli.costs import cost_facts
from airflow_dirops.cli.output import Json, Output, note, output_of
from airflow_dirops.cli.targets import find_folders
from airflow_dirops.core import PartitionStatus, StageStatus, Status, to_plain
from airflow_dirops.core import status as status_of
from airflow_dirops.core.errors import ArgumentRefused, ManifestMissing
from airflow_dirops.core.insight.cost import total_cost
from airflow_dirops.core.insight.states import STATES, State
from airflow_dirops.core.messages.counted import counted

_RANGE = re.compile(r"(?P<first>\d[^.]*)\.\.(?P<last>\d[^.]*)")
_MAX_DETAIL = 300

Roots = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ROOT]... [FROM..TO]",
        help="Where targets lie, at any depth; by default the root that paths in DAGs have. Then which dates, as in "
        "2026-11-01..2026-11-30.",
        show_default=False,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="STATE", help=f"Show and count these alone: {', '.join(STATES)}. May be repeated."),
]


@command("Look at targets")
def status(
    roots: Roots = None,
    only: Only = None,
    backfill: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Start runs for what is shown and not whole, at this api-server of Airflow, as the user that "
            "DIROPS_API_TOKEN, or DIROPS_API_USER and DIROPS_API_PASSWORD, say.",
        ),
    ] = None,
    json: AsJson = False,
) -> int:
    """Show what each partition of each stage is, why it is not whole, and what it would take to make it so.

    As in: dirops status /data 2026-11-01..2026-11-30

    Exit codes: 0 all are whole, 1 some are not, 2 something could not be looked at, or not be started.
    """
    if unknown := {*(only or ())} - {*STATES}:
        raise ArgumentRefused(f"--only {min(unknown)!r} is no state; these are: {', '.join(STATES)}")
    states = [state for state in STATES if state in (only or STATES)]
    dates = [*filter(None, map(_RANGE.fullmatch, roots or ()))]
    folders = [each for each in roots or () if not _RANGE.fullmatch(each)]
    expected = ExpectedBetween(dates[-1]["first"], dates[-1]["last"]) if dates else None
    found = status_of(find_folders(folders), expected=expected, only_expected=bool(dates))
    if not found.stages and not found.troubles:
        where = ", ".join(map(repr, found.roots))
        raise ManifestMissing(f"no stage has committed anything below {where}, at any depth")
    shown = [*_only(found.stages, states)]
    started = None if backfill is None else [*start_runs(backfill, runs_wanted(shown))]
    output = output_of(json=json)
    if isinstance(output, Json):
        runs = {} if started is None else {"started": [each._asdict() for each in started]}
        output.facts("", {**to_plain(found), "stages": to_plain(shown), "is_whole": found.is_whole, **runs})
    else:
        _show(output, found, shown)
        if started is not None:
            output.rows(f"{len(started):,} runs", [each._asdict() for each in started])
    if started and any(each.error for each in started):
        return FAILED
    return _exit_code(found, states)


def _only(stages: Iterable[StageStatus], states: Iterable[State]) -> Iterator[StageStatus]:
    wanted = {*states}
    for stage in stages:
        yield replace(stage, partitions=tuple(each for each in stage.partitions if each.state in wanted))


def _exit_code(found: Status, states: Iterable[State]) -> int:
    wanted = {*states} - {"whole"}
    if "unreadable" in found.counts or any(each.kind == "storage-error" for each in found.troubles):
        return FAILED
    return FOUND if wanted & found.counts.keys() else 0


def _show(output: Output, found: Status, shown: list[StageStatus]) -> None:
    partitions = sum(found.counts.values())
    stages = len({stage.stage for stage in found.stages if stage.stage})
    output.rows(
        f"{counted(stages, 'stage')}, {counted(partitions, 'partition')}",
        [_stage_row(stage, found) for stage in found.stages],
    )
    rows = [row for stage in shown for row in _partition_rows(stage)]
    if rows:
        output.rows("not whole", rows)
    if found.cost is not None:
        output.facts("to make all of them whole, going by earlier runs", cost_facts(found.cost))
    for trouble in found.troubles:
        note(f"{trouble.path}: {trouble.kind}: {trouble.message}")


def _stage_row(stage: StageStatus, found: Status) -> dict[str, Any]:
    names = [each.partition for each in stage.partitions if each.partition is not None]
    return {
        "stage": stage.stage or "(unknown)",
        "target": stage.target,
        "first": names[0] if names else None,
        "last": names[-1] if names else None,
        **{state: stage.counts.get(state) for state in reversed(STATES) if state in found.counts},
    }


def _partition_rows(stage: StageStatus) -> Iterator[dict[str, Any]]:
    """A row for partitions that follow one another and are alike."""
    for (state, kinds), group in groupby(stage.partitions, _likeness):
        if state != "whole":
            yield _partition_row(stage, state, kinds, [*group])


def _partition_row(
    stage: StageStatus, state: State, kinds: tuple[str, ...], alike: list[PartitionStatus]
) -> dict[str, Any]:
    first, last = alike[0], alike[-1]
    names = first.partition or ""
    return {
        "stage": stage.stage or first.target,
        "partitions": names if len(alike) == 1 else f"{names} to {last.partition} ({len(alike)})",
        "state": f"{state} ({', '.join(kinds)})" if kinds else state,
        "why": _cut(_why(first)),
        **cost_facts(total_cost(each.cost for each in alike)),
    }


def _why(one: PartitionStatus) -> str:
    changes = [change for reason in one.reasons for change in reason.changes]
    return f"{one.detail}: {', '.join(changes)}" if changes else one.detail


def _likeness(one: PartitionStatus) -> tuple[State, tuple[str, ...]]:
    return one.state, tuple(dict.fromkeys(reason.kind for reason in one.reasons))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_DETAIL else f"{text[:_MAX_DETAIL]}…"
