"""Arguments in, a call of the core, a result out.

Exit codes: 0 when all is well, 1 when something was found that needs a person, 2 when the command failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from airflow_dirops.cli.functions import load_function
from airflow_dirops.cli.output import Json, Output, Text
from airflow_dirops.core import iter_plan, read_manifest, upkeep
from airflow_dirops.core.errors import ArgumentRefused, DiropsError, ManifestMissing
from airflow_dirops.core.retention import Retention
from airflow_dirops.core.verify import Finding

FOUND, FAILED = 1, 2

app = typer.Typer(
    name="dirops",
    help="Look after directories that stages committed: each TARGET is one of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Target = Annotated[Path, typer.Argument(help="The directory that a stage committed.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def command(run: Callable[..., int]) -> Callable[..., None]:
    """Register a function under its own name; what it returns is the exit code."""

    @wraps(run)
    def guarded(**arguments: Any) -> None:
        try:
            code = run(**arguments)
        except DiropsError as error:
            _output(arguments["json"]).error(error.kind, str(error))
            code = FAILED
        raise typer.Exit(code)

    app.command()(guarded)
    return guarded


@command
def show(target: Target, json: AsJson = False) -> int:
    """Show the current snapshot: what it holds, who committed it, from what."""
    manifest = read_manifest(target)
    facts = msgspec.to_builtins(manifest)
    if not json:
        facts = {
            **{name: facts[name] for name in ("snapshot", "stage", "partition", "created", "counts", "bytes")},
            "codec": manifest.codec.name,
            "function": manifest.function.name,
            "source": manifest.source.location,
            "run": manifest.attempt.run_id,
            "try": manifest.attempt.try_number,
            "seconds": manifest.seconds,
            "durability": manifest.durability,
            **({} if manifest.limit is None else {"limit": f"{manifest.limit}: a trial run over the first inputs"}),
        }
    _output(json).facts(str(target), facts)
    return 0


@command
def log(target: Target, json: AsJson = False) -> int:
    """List the snapshots that are kept, the latest commit first."""
    rows = [
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
        }
        for kept in upkeep.list_snapshots(target)
    ]
    _output(json).rows(str(target), rows)
    return 0


@command
def verify(
    target: Target,
    deep: Annotated[bool, typer.Option(help="Read every byte and compare digests, not only sizes.")] = False,
    json: AsJson = False,
) -> int:
    """Compare the target with its manifest: missing, changed and extra files."""
    result = upkeep.verify(target, deep=deep)
    how = "by digest" if deep else "by size"
    if json:
        _output(json).facts(str(target), {**msgspec.to_builtins(result), "is_good": result.is_good})
    else:
        title = f"{target}: {result.entries} files compared {how}, {len(result.findings)} findings"
        _output(json).rows(title, _rows(result.findings))
    return 0 if result.is_good else FOUND


@command
def repair(target: Target, json: AsJson = False) -> int:
    """Finish a commit that a crash cut off, and restore damaged files from retired snapshots.

    What no retired snapshot has must be made again: run the stage with verify=True.
    """
    result = upkeep.repair(target)
    if json:
        _output(json).facts(str(target), msgspec.to_builtins(result))
        return FOUND if result.remaining else 0
    _output(json).facts(f"{target}", {"snapshot": result.snapshot, "restored": result.restored})
    if result.remaining:
        _output(json).rows("not restored; run the stage with verify=True to make them again", _rows(result.remaining))
    return FOUND if result.remaining else 0


@command
def rollback(
    target: Target,
    snapshot: Annotated[str | None, typer.Option(help="Its id; by default the one replaced last.")] = None,
    json: AsJson = False,
) -> int:
    """Make a retired snapshot the current one again, in one commit."""
    manifest = upkeep.rollback(target, snapshot)
    _output(json).facts(f"{target} is rolled back", manifest.summary())
    return 0


@command
def clean(
    target: Target,
    keep_snapshots: Annotated[int, typer.Option(help="Keep at least so many replaced snapshots.")] = 1,
    keep_hours: Annotated[float, typer.Option(help="Keep them for at least so long.")] = 24.0,
    json: AsJson = False,
) -> int:
    """Remove what dead attempts left, and snapshots whose retention is over."""
    cleaned = upkeep.clean(target, Retention(keep_snapshots, keep_hours))
    _output(json).facts(f"{target} is clean", msgspec.to_builtins(cleaned))
    return 0


@command
def plan(
    source: Annotated[Path, typer.Argument(help="The directory that the stage reads.", show_default=False)],
    target: Target,
    pattern: Annotated[str, typer.Option(help="Which files of the source, as a glob.")] = "**/*",
    read: Annotated[str | None, typer.Option(help="The function of a path, as module:function.")] = None,
    transform: Annotated[str | None, typer.Option(help="The function of a value, as module:function.")] = None,
    codec: Annotated[str | None, typer.Option(help="Of the outputs; by default that of the target.")] = None,
    version: Annotated[str | None, typer.Option(help="Stands for the functions' code.")] = None,
    json: AsJson = False,
) -> int:
    """Show what a stage would do with each file of SOURCE, and why; nothing is written.

    Without --read or --transform, a change of the code is not looked at.
    """
    compares_code = bool(read or transform)
    if version and not compares_code:
        raise ArgumentRefused("--version stands for the code of functions; name them with --read or --transform")
    counts: Counter[str] = Counter()
    planned = iter_plan(
        source=source,
        target=target,
        pattern=pattern,
        read=load_function("--read", read),
        transform=load_function("--transform", transform),
        codec=codec or _codec_of(target),
        version=version,
        take_over_stage=True,
    )

    def rows() -> Iterator[dict[str, str]]:
        for path, reason in planned:
            counts[reason] += 1
            yield {"reason": reason, "path": path}

    def sum_up() -> dict[str, Any]:
        code = "compared" if compares_code else "not looked at: no --read or --transform was given"
        return {"source": str(source), "target": str(target), "code": code, "counts": dict(sorted(counts.items()))}

    _output(json).stream("inputs", rows(), sum_up)
    return 0


def _codec_of(target: Path) -> str:
    try:
        return read_manifest(target).codec.name
    except ManifestMissing:
        return "npy"


def _output(json: bool) -> Output:
    return Json() if json else Text()


def _rows(findings: list[Finding]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(finding) for finding in findings]
