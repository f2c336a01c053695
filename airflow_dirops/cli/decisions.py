"""Decide about a snapshot that a stage holds: publish it, or reject it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from airflow_dirops.cli.app import FOUND, AsJson, Target, command, for_each_target
from airflow_dirops.cli.commands import made_by
from airflow_dirops.cli.output import Output, output_of
from airflow_dirops.cli.targets import find_target
from airflow_dirops.core import upkeep
from airflow_dirops.core.format.runs import shown_time

_PANEL = "Decide about what is held"
Which = Annotated[str | None, typer.Option(help="Its id.", show_default="the only one that is held")]


@for_each_target(_PANEL)
def held(target: Path, output: Output) -> int:
    """List the snapshots that wait for somebody to publish or reject them. Exit code 1 where there are any."""
    rows: list[dict[str, Any]] = [
        {
            "snapshot": each.manifest.snapshot,
            "made": each.manifest.created,
            "until": shown_time(each.until),
            "stage": each.manifest.stage,
            "run": each.manifest.attempt.run_id,
            "files": each.manifest.counts.entries,
            "quarantined": each.manifest.counts.quarantined,
            "bytes": each.manifest.bytes,
            "replaces": each.manifest.base,
        }
        for each in upkeep.list_held(target)
    ]
    output.rows(f"{target}: {len(rows) or 'nothing'} held", rows)
    return FOUND if rows else 0


@command(_PANEL)
def publish(
    target: Target,
    snapshot: Which = None,
    reason: Annotated[str, typer.Option(help="For whoever asks later.")] = "",
    json: AsJson = False,
) -> int:
    """Make a held snapshot the current one, in one commit.

    It makes no asset event: a task with PublishOperator does that.
    """
    path = find_target(target)
    manifest = upkeep.publish(path, snapshot, reason=reason)
    facts = manifest.summary() | {"made by": made_by(manifest)}
    output_of(json=json).facts(f"{path} is at snapshot {manifest.snapshot}", facts)
    return 0


@command(_PANEL)
def reject(
    target: Target,
    reason: Annotated[str, typer.Option(help="For whoever asks later.")],
    snapshot: Which = None,
    json: AsJson = False,
) -> int:
    """Do not publish a held snapshot; the next run of its stage takes over the files that still fit."""
    path = find_target(target)
    rejection = upkeep.reject(path, snapshot, reason=reason)
    output_of(json=json).facts(f"{path}: snapshot {rejection.snapshot} is rejected", msgspec.to_builtins(rejection))
    return 0
