"""``dirops plan``: what a stage would do with each of its inputs, and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated, Any, NamedTuple

import typer

from airflow_dirops.cli.app import AsJson, command
from airflow_dirops.cli.functions import load_function
from airflow_dirops.cli.options import stage_options, with_stage_options
from airflow_dirops.cli.output import output_of
from airflow_dirops.cli.targets import find_planned_target, find_source
from airflow_dirops.core import Manifest, Partitions, iter_plan, read_manifest
from airflow_dirops.core.errors import ArgumentRefused, ManifestDamaged, ManifestMissing
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.report.changes import HOW_TO_KEEP, Change, told

_PATHS = (
    "What the stage reads, and last its target. A target alone: what it was made from. "
    "Looked up here, then below the root that paths in DAGs have (AIRFLOW__DIROPS__ROOT)."
)


class _Functions(NamedTuple):
    read: Callable[..., Any] | None
    transform: Callable[..., Any] | None
    aggregate: Callable[..., Any] | None


@command("See what would run")
@with_stage_options
def plan(
    paths: Annotated[list[str], typer.Argument(metavar="SOURCE TARGET", help=_PATHS)],
    read: Annotated[str | None, typer.Option(help="The function of a path, as module:function.")] = None,
    transform: Annotated[str | None, typer.Option(help="The function of a value, as module:function.")] = None,
    aggregate: Annotated[str | None, typer.Option(help="The function of all records, as module:function.")] = None,
    json: AsJson = False,
    **options: Any,
) -> int:
    """Show what a stage would do with each of its inputs, and why it would be refused; nothing is written.

    As in: dirops plan raw/2026-11-01 interim/to_numpy/2026-11-01

    Without --read, --transform or --aggregate, a change of the code is not looked at.
    """
    *typed, last = paths
    target = find_planned_target(last)
    made = _made(target)
    rolled_up = _partitions_of(target, made)
    if rolled_up and typed:
        raise ArgumentRefused(
            f"{target!r} was made from {len(rolled_up)} partitions together; name it alone, to plan for these: "
            f"{dirops_command('plan', target)}"
        )
    sources = [str(rolled_up)] if rolled_up else [find_source(each) for each in typed]
    sources = sources or _sources_of(last, target, made)
    given = stage_options(options)
    join = given.pop("join", None) or _join_of(made, sources)
    functions = _Functions(
        load_function("--read", read), load_function("--transform", transform), load_function("--aggregate", aggregate)
    )
    if "version" in given and not any(functions):
        raise ArgumentRefused(
            "--version stands for the code of functions; name them with --read, --transform or --aggregate"
        )
    if made is not None:
        _check_kind(made, functions, sources, target, join)
    may_be_kept = made is not None and functions.aggregate is None and given.get("codec") in (None, made.codec.name)
    counts: Counter[str] = Counter()
    refusals: list[str] = []
    planned = iter_plan(
        source=rolled_up or ([*sources] if join else sources[0]),
        target=target,
        join=join,
        **{**_as_made(made, functions), **given},
        on_objection=refusals.append,
        may_replace={"other_stage"},
        read=functions.read,
        transform=functions.transform,
        aggregate=functions.aggregate,
    )

    def rows() -> Iterator[dict[str, str]]:
        for path, reason in planned:
            counts[reason] += 1
            yield {"reason": reason, "path": path}

    def sum_up() -> dict[str, Any]:
        code = "compared" if any(functions) else "not looked at: no --read, --transform or --aggregate was given"
        return {
            "source": sources if join else sources[0],
            "target": target,
            "code": code,
            **_changes(planned.code_changes, json=json),
            **({"advice": HOW_TO_KEEP} if counts["code"] and may_be_kept and not json else {}),
            "counts": dict(sorted(counts.items())),
            **({"refused": refusals} if refusals else {}),
        }

    output_of(json=json).stream("inputs", rows(), sum_up)
    return 0


def _changes(changes: tuple[Change, ...] | None, *, json: bool) -> dict[str, Any]:
    """What of the code has changed: every part for a program, the first few for a person."""
    if json:
        return {"code_changes": None if changes is None else [change._asdict() for change in changes]}
    return {"changed": told(changes)} if changes else {}


def _as_made(made: Manifest | None, functions: _Functions) -> dict[str, Any]:
    """What is as the target was made, unless it is given."""
    return {} if made is None else {"stage": made.stage, **({"codec": made.codec.name} if any(functions) else {})}


def _made(target: str) -> Manifest | None:
    with suppress(ManifestMissing, ManifestDamaged):
        return read_manifest(target)
    return None


def _sources_of(typed: str, target: str, made: Manifest | None) -> list[str]:
    if made is None:
        raise ArgumentRefused(
            f"{typed!r} has no manifest that says what it is made from; name the source in front of it"
        )
    return [find_source(each) for each in _recorded(target, made)]


def _recorded(target: str, made: Manifest) -> list[str]:
    """Where the target's sources were, as its manifest says: relative to the directory that holds it."""
    parent = os.path.dirname(os.path.realpath(target))
    return [os.path.normpath(os.path.join(parent, source.location)) for source in made.sources or (made.source,)]


def _partitions_of(target: str, made: Manifest | None) -> Partitions | None:
    """The partitions that the target was made from, if it was; those that were missing may be there by now."""
    if made is None or not made.partitions:
        return None
    (location,) = _recorded(target, made)
    return Partitions(location, tuple(each.partition for each in made.partitions), "allow")


def _join_of(made: Manifest | None, sources: list[str]) -> Any:
    if len(sources) == 1:
        return None
    if made is None or made.join is None:
        raise ArgumentRefused(f"{len(sources)} sources are matched by key; add --join inner, outer or strict")
    return made.join


def _check_kind(made: Manifest, functions: _Functions, sources: list[str], target: str, join: str | None) -> None:
    """Refuse what would compare the target with another kind of stage than the one that made it."""
    if made.join is not None and join is None:
        command = dirops_command("plan", *_recorded(target, made), target, options=("--join", made.join))
        raise ArgumentRefused(
            f"{target!r} was made from {len(made.sources)} sources, matched by key, and {sources[0]!r} is one; "
            f"name them all: {command}"
        )
    if made.inputs_digest is not None and functions.read and not (functions.transform or functions.aggregate):
        raise ArgumentRefused(
            f"{target!r} was made of all its inputs together, by {made.function.name!r}; "
            "add --aggregate module:function, or leave --read out to look at the inputs only"
        )
