"""What is done to targets that are there: a call of the core, and its result told."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from airflow_dirops.cli.app import FOUND, AsJson, Target, command, for_each_target
from airflow_dirops.cli.output import Json, Output, Text, output_of
from airflow_dirops.cli.settings import number
from airflow_dirops.cli.targets import find_planned_target, find_target
from airflow_dirops.core import Manifest, read_manifest, upkeep
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.messages.counted import counted
from airflow_dirops.core.messages.first_few import first_few
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.core.upkeep.verify import Finding

_MOST_MISSING = 10
_SETTING = "as in [dirops] of Airflow, else {}"
_LOOK, _MEND = "Look at targets", "Mend and clean targets"


@for_each_target(_LOOK)
def show(target: Path, output: Output) -> int:
    """Show the current snapshot: what it holds, who committed it, from what."""
    manifest = read_manifest(target)
    facts = msgspec.to_builtins(manifest)
    adopted = upkeep.adoption_of(target)
    if isinstance(output, Text):
        facts = {
            **{name: facts[name] for name in ("snapshot", "stage", "partition", "created", "counts", "bytes")},
            **({"dimensions": _named(manifest.dimensions)} if manifest.dimensions else {}),
            "codec": manifest.codec.name,
            "function": manifest.function.name,
            "source": manifest.source.location,
            **({"partitions": _partitions(manifest)} if manifest.partitions else {}),
            "run": manifest.attempt.run_id,
            "try": manifest.attempt.try_number,
            "seconds": manifest.seconds,
            "durability": manifest.durability,
            **({} if manifest.limit is None else {"limit": f"{manifest.limit}: a trial run over the first inputs"}),
            **({"adopted": str(adopted)} if adopted else {}),
            **({"made by": made} if (made := made_by(manifest)) else {}),
        }
    elif adopted:
        facts["adopted"] = msgspec.to_builtins(adopted)
    output.facts(str(target), facts)
    return 0


@for_each_target(_LOOK)
def log(target: Path, output: Output) -> int:
    """List the snapshots that are kept: the current one, what it replaced, what that one replaced, and so on.

    Then those that were held, and rejected: nothing of them is kept.
    """
    rows: list[dict[str, Any]] = [
        {
            "current": kept.is_current,
            "snapshot": kept.manifest.snapshot,
            "created": kept.manifest.created,
            "stage": kept.manifest.stage,
            "run": kept.manifest.attempt.run_id,
            "try": kept.manifest.attempt.try_number,
            "files": kept.manifest.counts.entries,
            "bytes": kept.manifest.bytes,
            "limit": kept.manifest.limit,
            "made by": made_by(kept.manifest),
        }
        for kept in upkeep.list_snapshots(target)
    ]
    rejected = [
        {
            **dict.fromkeys(rows[0]),
            "current": False,
            "snapshot": each.snapshot,
            "created": each.created,
            "stage": each.stage,
            "made by": f"rejected by {each.user} on {each.host} at {each.rejected}: {each.reason}",
        }
        for each in reversed(upkeep.list_rejections(target))
    ]
    output.rows(str(target), [*rows, *rejected])
    return 0


@for_each_target(_LOOK)
def verify(
    target: Path,
    output: Output,
    *,
    deep: Annotated[bool, typer.Option(help="Read every byte and compare digests, not only sizes.")] = False,
) -> int:
    """Compare the target with its manifest: missing, changed and extra files."""
    result = upkeep.verify(target, deep=deep)
    how = "by digest" if deep else "by size"
    if isinstance(output, Json):
        output.facts(str(target), {**msgspec.to_builtins(result), "is_good": result.is_good})
    else:
        title = (
            f"{target}: {counted(result.entries, 'file')} compared {how}, {counted(len(result.findings), 'finding')}"
        )
        output.rows(title, _rows(result.findings))
    return 0 if result.is_good else FOUND


@for_each_target(_MEND)
def repair(target: Path, output: Output) -> int:
    """Finish a commit that a crash cut off, and restore damaged files from retired snapshots.

    What no retired snapshot has must be made again: run the stage with redo='damaged'.
    """
    result = upkeep.repair(target)
    if isinstance(output, Json):
        output.facts(str(target), msgspec.to_builtins(result))
        return FOUND if result.remaining else 0
    output.facts(f"{target}", {"snapshot": result.snapshot, "restored": result.restored})
    if result.remaining:
        output.rows("not restored; run the stage with redo='damaged' to make them again", _rows(result.remaining))
    return FOUND if result.remaining else 0


@command(_MEND)
def rollback(
    target: Target,
    snapshot: Annotated[str | None, typer.Option(help="Its id; by default what the current one replaced.")] = None,
    json: AsJson = False,
) -> int:
    """Make a retired snapshot the current one again, in one commit."""
    path = find_target(target)
    before = _current_id(path)
    manifest = upkeep.rollback(path, snapshot)
    what = "is rolled back" if manifest.snapshot != before else "is there already: nothing was done"
    facts = manifest.summary() | {"restored": manifest.restored, "made by": made_by(manifest)}
    output_of(json=json).facts(f"{path} {what}", facts)
    return 0


@command(_MEND)
def accept_removal(target: Target, json: AsJson = False) -> int:
    """Let the next run drop many results, once: for a TooManyRemoved that is right."""
    path = find_target(target)
    manifest = upkeep.accept_removal(path)
    output_of(json=json).facts(
        f"{path}: the run that replaces this snapshot may drop any number of its {manifest.counts.entries} results",
        manifest.summary(),
    )
    return 0


@command(_MEND)
def adopt(
    target: Target,
    stage: Annotated[
        str | None, typer.Option(help="Its name: dag_id.task_id.", show_default="whichever runs first")
    ] = None,
    json: AsJson = False,
) -> int:
    """Let a stage replace what is not its own, once: a directory that no stage wrote, or another stage's target."""
    path = find_planned_target(target)
    adopted = upkeep.adopt(path, stage)
    output_of(json=json).facts(f"{path}: {adopted}", msgspec.to_builtins(adopted))
    return 0


@for_each_target(_MEND)
def clean(
    target: Path,
    output: Output,
    *,
    keep_snapshots: Annotated[
        int | None, typer.Option(help="Keep at least so many replaced snapshots.", show_default=_SETTING.format(1))
    ] = None,
    keep_hours: Annotated[
        float | None, typer.Option(help="Keep them for at least so long.", show_default=_SETTING.format(24))
    ] = None,
) -> int:
    """Remove what dead attempts left, and snapshots whose retention is over."""
    retention = Retention(keep_snapshots, keep_hours).completed(
        lambda name, default: number(name, type(default), default)
    )
    cleaned = upkeep.clean(target, retention)
    heading = f"{target} is clean, but for what stays" if cleaned.left else f"{target} is clean"
    output.facts(heading, msgspec.to_builtins(cleaned))
    return 0


def _current_id(target: Path | str) -> str | None:
    with suppress(DiropsError):
        return read_manifest(target).snapshot
    return None


def made_by(manifest: Manifest) -> str | None:
    """Who brought it back, and from what, or who published it, and why; None for the work of a run."""
    done = manifest.upkeep
    if done is None:
        return None
    what = f" of {manifest.restored}" if manifest.restored else ""
    run = f" in {done.run}" if done.run else ""
    return f"{done.action}{what} by {done.user} on {done.host}{run}{f': {done.reason}' if done.reason else ''}"


def _named(dimensions: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in dimensions.items()]


def _partitions(manifest: Manifest) -> str:
    """How many there are, and which of those that were asked for are not."""
    there = len(manifest.partitions) - len(manifest.missing)
    few = first_few(manifest.missing, _MOST_MISSING)
    return f"{there} of {len(manifest.partitions)}{f', missing {few.phrase()}' if few.count else ''}"


def _rows(findings: list[Finding]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(finding) for finding in findings]
