"""``dirops trace``: where a file comes from, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from airflow_dirops.cli.app import FOUND, AsJson, command
from airflow_dirops.cli.output import Json, output_of
from airflow_dirops.cli.targets import find_file, find_folders
from airflow_dirops.core import MadeBy, TracedFile, to_plain, trace_forward
from airflow_dirops.core import trace as trace_back
from airflow_dirops.core.messages.shown import shown

_MAX_DETAIL = 300


@command("Look at targets")
def trace(
    file: Annotated[str, typer.Argument(help="A file in a target; with --forward, a raw one too.")],
    forward: Annotated[
        bool, typer.Option("--forward", help="What became of it, in place of what it was made of.")
    ] = False,
    below: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            help="With --forward: where targets lie that may have read it.",
            show_default="the root that paths in DAGs have",
        ),
    ] = None,
    json: AsJson = False,
) -> int:
    """Follow a file back through every stage to the raw files that it was made of, or on to all that it became.

    Exit codes: 0 all of it is there as it was, 1 something on the way is gone, changed or failed, 2 the command failed.
    """
    path = find_file(file)
    traced = trace_forward(path, find_folders(below)) if forward else trace_back(path)
    output = output_of(json=json)
    if isinstance(output, Json):
        output.facts("", to_plain(traced))
    else:
        output.text(traced.path, "\n".join(_lines(traced, "outputs" if forward else "inputs")))
    return 0 if _is_sound(traced) else FOUND


def _is_sound(traced: TracedFile) -> bool:
    return traced.state in ("made", "raw", "skipped") and all(map(_is_sound, (*traced.inputs, *traced.outputs)))


def _lines(traced: TracedFile, way: str, indent: str = "  ") -> Iterator[str]:
    """What there is to say of a file, and of the next ones, each further to the right."""
    if traced.state not in ("made", "raw"):
        yield f"{indent}{traced.state}: {shown(traced.detail, _MAX_DETAIL)}"
    elif traced.detail:
        yield f"{indent}{shown(traced.detail, _MAX_DETAIL)}"
    if traced.made_by is not None:
        yield f"{indent}{_described(traced.made_by)}"
    if traced.of_all is not None:
        yield f"{indent}made of all {traced.of_all:,} inputs of its stage together"
    arrow = "from" if way == "inputs" else "became"
    for each in traced.inputs if way == "inputs" else traced.outputs:
        yield f"{indent}{arrow} {shown(each.path) if each.path != traced.path else 'nothing'}"
        yield from _lines(each, way, f"{indent}  ")
    if traced.more:
        yield f"{indent}and {arrow} {traced.more:,} more"


def _described(made_by: MadeBy) -> str:
    code = (made_by.version and f"version {made_by.version}") or (made_by.fingerprint or "no fingerprint")[:19]
    run = f", run {made_by.run_id} try {made_by.try_number}" if made_by.run_id else ""
    back = f", {made_by.brought_back_by}" if made_by.brought_back_by else ""
    snapshot = f"snapshot {made_by.snapshot} of {made_by.created}"
    return shown(f"by {made_by.stage}: {made_by.function} ({code}){run}, {snapshot}{back}", 2 * _MAX_DETAIL)
