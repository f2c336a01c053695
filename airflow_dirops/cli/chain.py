"""What was executed below some folders, as a table and as a drawing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from airflow_dirops.cli.app import FAILED, AsJson, command
from airflow_dirops.cli.drawing import svg_of
from airflow_dirops.cli.output import Json, note, output_of
from airflow_dirops.cli.targets import find_targets
from airflow_dirops.core import read_manifest
from airflow_dirops.core.errors import DiropsError, storage_errors
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.messages.counted import counted
from airflow_dirops.core.upkeep.chain import Chain, ChainedStage, chain_of

Folders = Annotated[
    list[str], typer.Argument(metavar="FOLDER", help="Where targets lie, at any depth; such as the root of the DAGs.")
]


@command("Look at targets")
def chain(
    folders: Folders,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it, too: for a browser.")] = None,
    json: AsJson = False,
) -> int:
    """Show which stages committed below folders, when and by which run, and which of them read which."""
    found: list[tuple[str, Manifest]] = []
    worst = 0
    for each in find_targets(folders, recursive=True):
        try:
            target = each.checked()
            found.append((target, read_manifest(target)))
        except DiropsError as error:
            note(str(error))
            worst = FAILED
    told = chain_of(found)
    output = output_of(json=json)
    if isinstance(output, Json):
        output.facts("", {"stages": [msgspec.to_builtins(stage) for stage in told.stages.values()]})
    else:
        output.rows(f"{counted(len(told.stages), 'stage')}, {counted(len(found), 'target')}", _rows(told))
    if svg is not None:
        with storage_errors("writing the drawing", svg):
            svg.write_text(svg_of(told), encoding="utf-8")
    return worst


def _rows(told: Chain) -> list[dict[str, object]]:
    return [_row(stage) for stage in told.stages.values()]


def _row(stage: ChainedStage) -> dict[str, object]:
    return {
        "stage": stage.stage,
        "reads": ", ".join(stage.reads),
        "targets": stage.targets,
        "first": stage.first,
        "last": stage.last,
        "files": stage.entries,
        "bytes": stage.bytes,
        "quarantined": stage.quarantined,
        "committed": stage.committed,
        "run": stage.run,
    }
