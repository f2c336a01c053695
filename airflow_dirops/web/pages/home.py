"""Where one begins: stages × partitions below a root, as a grid of what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from airflow_dirops.core import PartitionStatus, StageStatus, look_at
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.insight.states import STATES, State
from airflow_dirops.core.places import is_target
from airflow_dirops.web.access import Asking, Visitor
from airflow_dirops.web.asked import Address, Asked, address
from airflow_dirops.web.opening import Root, list_roots
from airflow_dirops.web.rendering import render
from airflow_dirops.web.table import iter_stages, look_below

router = APIRouter()

COLUMNS = 92
"""Three months of days; further back is a page further."""

Seen = State | Literal["failed", "at work"]
"""What a square says: a state, or of an absent partition that somebody has tried, or is trying."""

LETTERS: dict[Seen, str] = {
    "whole": "✓",
    "quarantined": "Q",
    "stale": "S",
    "trial": "T",
    "held": "H",
    "absent": "–",
    "failed": "×",
    "at work": "…",
    "damaged": "!",
    "unreadable": "?",
}
"""A state is told by its letter and its shape, and by its colour besides."""

MEANINGS: dict[Seen, str] = {
    "whole": "all is there",
    "quarantined": "some inputs failed",
    "stale": "a run would make something else",
    "trial": "only the first inputs",
    "held": "waits for somebody to publish or reject it",
    "absent": "expected, and not there",
    "failed": "not there, though a run has tried",
    "at work": "not there yet",
    "damaged": "its manifest cannot be read",
    "unreadable": "it cannot be looked at from here",
}


_LEADS_TO: dict[Seen, str] = {
    "quarantined": "failures",
    "absent": "failures",
    "failed": "failures",
    "at work": "progress",
}


class Cell(NamedTuple):
    """A square."""

    partition: PartitionStatus
    seen: Seen
    link: Markup


class Row(NamedTuple):
    """A stage, with a cell for each column; None where it has no such partition."""

    stage: StageStatus
    target: str
    cells: list[Cell | None]
    counts: Counter[State]
    dag_id: str
    may_trigger: bool


class Grid(NamedTuple):
    """The stages below a root.

    :param columns: names of partitions.
    :param singles: stages without partitions.
    :param at: when this was so, UTC.
    """

    root: Root
    columns: list[str]
    rows: list[Row]
    singles: list[Row]
    counts: Counter[State]
    earlier: int | None
    later: int | None
    troubles: list[tuple[str, str]]
    at: str


@router.get("/")
def home(asked: Address, visitor: Asking) -> HTMLResponse:
    """All roots, or the one that is asked for."""
    roots = list_roots()
    grids = [_grid(root, asked, visitor) for root in roots if root.is_there]
    return render("home.html", roots=roots, grids=grids, letters=LETTERS, meanings=MEANINGS, states=STATES, asked=asked)


def _grid(root: Root, asked: Asked, visitor: Visitor) -> Grid:
    look = look_below(root)
    stages = [
        each for each in iter_stages(look.status, visitor) if asked.q.lower() in f"{each.stage} {each.target}".lower()
    ]
    names = sorted({each.partition for stage in stages for each in stage.partitions if each.partition is not None})
    skipped = min(asked.at, max(0, len(names) - 1)) if asked.root == root.name else 0
    end = len(names) - skipped
    columns = names[max(0, end - COLUMNS) : end]
    rows = [_row(stage, columns, root, visitor) for stage in stages]
    has_partitions = [any(each.partition is not None for each in row.stage.partitions) for row in rows]
    counts: Counter[State] = Counter()
    for row in rows:
        counts.update(row.counts)
    may_see_all = visitor.may_read("")
    return Grid(
        root=root,
        columns=columns,
        rows=[row for row, has in zip(rows, has_partitions, strict=True) if has],
        singles=[row for row, has in zip(rows, has_partitions, strict=True) if not has],
        counts=counts,
        earlier=skipped + COLUMNS if end > COLUMNS else None,
        later=max(0, skipped - COLUMNS) if skipped else None,
        troubles=[(each.path, each.message) for each in look.status.troubles] if may_see_all else [],
        at=look.at.isoformat(timespec="seconds"),
    )


def _row(stage: StageStatus, columns: Sequence[str], root: Root, visitor: Visitor) -> Row:
    by_name = {each.partition: each for each in stage.partitions}
    shown = [by_name[None]] if None in by_name else [by_name.get(name) for name in columns]
    cells = [_cell(each, root) if each else None for each in shown]
    newest = max(stage.partitions, key=lambda each: each.created or "")
    return Row(
        stage=stage,
        target=_relative(stage.target, root),
        cells=cells,
        counts=_counts(stage.partitions),
        dag_id=newest.dag_id,
        may_trigger=visitor.may_trigger(newest.dag_id),
    )


def _counts(partitions: Iterable[PartitionStatus]) -> Counter[State]:
    return Counter(each.state for each in partitions)


def _cell(partition: PartitionStatus, root: Root) -> Cell:
    seen = _seen(partition)
    held = partition.held[0] if seen == "held" else ""
    fields = Asked(root=root.name, target=_relative(partition.target, root), snapshot=held)
    page = _LEADS_TO.get(seen, "snapshot")
    return Cell(partition, seen, address(page, fields))


def _seen(partition: PartitionStatus) -> Seen:
    """Of what is absent also whether somebody has tried."""
    if partition.state == "absent" and is_target(partition.target):
        with suppress(DiropsError):
            looked = look_at(partition.target)
            return "at work" if looked.at_work else "failed" if looked.attempts else "absent"
    return partition.state


def _relative(path: str, root: Root) -> str:
    return path.removeprefix(root.path.rstrip("/") + "/")
