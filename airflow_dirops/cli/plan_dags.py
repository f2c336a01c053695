"""``dirops plan-dags``: which partitions a change of DAG files would make anew, why, and how long that takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from airflow_dirops.cli.app import FOUND, AsJson, command
from airflow_dirops.cli.costs import cost_facts
from airflow_dirops.cli.output import Json, Output, note, output_of
from airflow_dirops.cli.revisions import checked_out, read_dags, repository_of
from airflow_dirops.cli.targets import find_folders
from airflow_dirops.core import Cost, Replanned, replanned, status, to_plain
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.insight.cost import total_cost
from airflow_dirops.core.insight.stage_code import StageCodes
from airflow_dirops.core.messages.counted import counted
from airflow_dirops.core.messages.duration import duration

_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)")


@command("See what would run")
def plan_dags(
    dags: Annotated[Path, typer.Argument(metavar="DAGS", help="A folder of DAG files, or one, as they are now.")],
    base: Annotated[str, typer.Option(metavar="REV", help="What they are compared with: a revision of git.")],
    root: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            help="Where targets lie, at any depth; by default the root that paths in DAGs have. May be repeated.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Exit with 1 if it would take longer in all, such as 90min, 6h or 2d."),
    ] = None,
    json: AsJson = False,
) -> int:
    """Show what a change of DAG files would make anew: which stages and partitions, why, and how long it takes.

    As in: dirops plan-dags dags --base origin/main --budget 6h

    The DAG files of both revisions are imported, each by a process of its own. Nothing is run or written.

    Exit codes: 0 it is within the budget, or there is none, 1 it is not, 2 something could not be looked at.
    """
    seconds = None if budget is None else _seconds(budget)
    before, after = _both(dags.absolute(), base)
    folders = find_folders(root or [])
    found = replanned(status(folders, code=before.known), status(folders, code=after.known))
    total = total_cost(each.cost for each in found)
    is_within = seconds is None or total is None or total.seconds <= seconds
    facts = {
        "new": sorted(after.names - before.names),
        "removed": sorted(before.names - after.names),
        "unknown": before.unknown | after.unknown,
    }
    output = output_of(json=json)
    if isinstance(output, Json):
        whole = {"stages": to_plain(found), "cost": to_plain(total), "is_within_budget": is_within, **facts}
        output.facts("", whole)
    else:
        _show(output, found, total, facts)
    if not is_within and budget is not None and total is not None:
        note(f"That is more than the budget of {budget}: {duration(total.seconds)}")
    return 0 if is_within else FOUND


def _both(dags: Path, base: str) -> tuple[StageCodes, StageCodes]:
    """What the stages do in the base revision, and now.

    :raises ArgumentRefused: if DAG files as they are now cannot be imported.
    """
    dags = dags.resolve()
    if not dags.exists():
        raise ArgumentRefused(f"there is no {str(dags)!r}; name a folder of DAG files, or one of them")
    root = repository_of(dags).resolve()
    with checked_out(root, base) as there:
        after = read_dags(dags, root, root)
        if after.errors:
            raise ArgumentRefused("these DAG files cannot be imported", [f"{k}: {v}" for k, v in after.errors.items()])
        then = there / dags.relative_to(root)
        before = read_dags(then, root, there) if then.exists() else StageCodes([], {})
    for path, error in before.errors.items():
        note(f"In {base}, {path} cannot be imported, so its stages count as new: {error.strip().splitlines()[-1]}")
    return before, after


def _show(output: Output, found: list[Replanned], total: Cost | None, facts: dict[str, Any]) -> None:
    partitions = sum(len(each.partitions) for each in found)
    stages = len({each.stage for each in found})
    if found:
        title = f"{counted(partitions, 'partition')} of {counted(stages, 'stage')} would be made anew"
        output.rows(title, [_row(each) for each in found])
    else:
        output.facts("Nothing would be made anew.", {})
    summed = {
        "new stages": ", ".join(facts["new"]),
        "removed stages": ", ".join(facts["removed"]),
        **{f"unknown: {stage}": why for stage, why in facts["unknown"].items()},
    }
    if total is not None:
        files = cost_facts(total)["files"]
        summed = {"in all": f"{files} files, {duration(total.seconds)} with as many workers"} | summed
    if shown := {name: text for name, text in summed.items() if text}:
        output.facts("", shown)


def _row(each: Replanned) -> dict[str, Any]:
    first, last, number = each.partitions[0], each.partitions[-1], len(each.partitions)
    cost = cost_facts(each.cost)
    return {
        "stage": each.stage,
        "partitions": first if number == 1 else f"{first} to {last} ({number:,})",
        "why": ", ".join(each.changes) or "other code" if each.cause == "code" else "what it is made from changes",
        "files": cost["files"],
        "time": cost["time"],
    }


def _seconds(budget: str) -> float:
    found = _BUDGET.fullmatch(budget.strip())
    if found is None:
        raise ArgumentRefused(f"--budget {budget!r} is no time; give one such as 90min, 6h or 2d")
    return float(found[1]) * _SECONDS[found[2]]
