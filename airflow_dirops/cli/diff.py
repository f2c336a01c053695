"""``dirops diff``: what differs between two snapshots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from airflow_dirops.cli.app import FOUND, AsJson, command
from airflow_dirops.cli.output import Json, output_of
from airflow_dirops.cli.targets import find_target
from airflow_dirops.core import Amount, Comparison, DiffedEntry, to_plain
from airflow_dirops.core.format.members import is_id

_PINNED = re.compile(r"(?P<target>.+)@(?P<snapshot>[0-9a-f-]{36})")
_HELP = "A target; or TARGET@SNAPSHOT, an id that dirops log lists."


@command("Look at targets")
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help=_HELP)],
    after: Annotated[
        str | None,
        typer.Argument(metavar="B", help="Likewise. Without it: A, and what it replaced.", show_default=False),
    ] = None,
    values: Annotated[int, typer.Option(min=0, help="Of so many changed files, say by how much.")] = 20,
    json: AsJson = False,
) -> int:
    """Show which files two snapshots do not share, and by how much arrays and images have changed.

    As in: dirops diff final/red_channel/2026-11-01 final/red_channel/2026-11-02

    Exit codes: 0 they are the same, 1 they differ, 2 the command failed.
    """
    one, other = _named(before), None if after is None else _named(after)
    output = output_of(json=json)
    is_json = isinstance(output, Json)
    with Comparison(one, other, values=values) as comparison:

        def rows() -> Iterator[dict[str, Any]]:
            for each in comparison:
                yield to_plain(each) if is_json else _row(each)

        def sum_up() -> dict[str, Any]:
            found = to_plain(comparison.summary)
            for name in ("entries", "more"):
                del found[name]
            return found if is_json else _facts(found)

        output.stream("entries", rows(), sum_up)
        return 0 if comparison.summary.is_same else FOUND


def _named(typed: str) -> str | dict[str, str]:
    pinned = _PINNED.fullmatch(typed)
    if pinned and is_id(pinned["snapshot"]):
        return {"target": find_target(pinned["target"]), "snapshot": pinned["snapshot"]}
    return find_target(typed)


def _row(each: DiffedEntry) -> dict[str, Any]:
    return {"how": each.how, "path": f"{each.path}{_how_much(each.amount)}"}


def _how_much(amount: Amount | None) -> str:
    return f": {amount.text}" if amount else ""


def _facts(found: dict[str, Any]) -> dict[str, Any]:
    sides = {
        name: f"{side['target']} at snapshot {side['snapshot']} of {side['created']}"
        for name, side in (("before", found["before"]), ("after", found["after"]))
    }
    counts = {name: found[name] for name in ("added", "removed", "changed", "same")}
    failed = [side["quarantined"] for side in (found["before"], found["after"])]
    return {
        **sides,
        **counts,
        **({"quarantined": f"{failed[0]} before, {failed[1]} after"} if any(failed) else {}),
        **({"code": found["code_changes"]} if found["code_changes"] else {}),
    }
