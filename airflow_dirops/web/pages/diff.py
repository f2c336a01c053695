"""What differs between two snapshots, with what changed side by side."""

from __future__ import annotations

import os
from contextlib import ExitStack
from itertools import islice
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from airflow_dirops.core import Comparison, DiffedEntry, Manifest, Snapshot
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.members import is_id
from airflow_dirops.web.access import Asking
from airflow_dirops.web.asked import Address
from airflow_dirops.web.opening import Location, Refusal, locate, opened
from airflow_dirops.web.pages.frame import frame_of, kept_at
from airflow_dirops.web.pages.sheet import SMALL
from airflow_dirops.web.previews.decoding import answers_to
from airflow_dirops.web.previews.kinds import kind_of
from airflow_dirops.web.previews.shapes import Preview, Wanted
from airflow_dirops.web.rendering import render

router = APIRouter()

ENTRIES = 50
PICTURED = 8


class Sides(NamedTuple):
    """What a changed file was, what it is, and how much that is."""

    before: Preview
    after: Preview
    difference: Preview


@router.get("/diff")
def diff(asked: Address, visitor: Asking) -> HTMLResponse:
    """This snapshot beside the one that it replaced, or beside ``other``: a snapshot's id, or another target."""
    location = locate(asked)
    with opened(location, visitor, asked.snapshot) as after, ExitStack() as stack:
        frame = frame_of(location, asked, after, visitor)
        kept = [
            each.manifest for each in kept_at(location, visitor) if each.manifest.snapshot != after.manifest.snapshot
        ]
        place = _other(location, asked.other, after.manifest)
        if place is None:
            return render("diff.html", **frame, page="diff", asked=asked, kept=kept, summary=None, other=None)
        before = stack.enter_context(opened(place[0], visitor, place[1]))
        comparison = stack.enter_context(Comparison(_pin(place[0], before), _pin(location, after)))
        differing = iter(comparison)
        entries = list(islice(differing, asked.at, asked.at + ENTRIES))
        more = sum(1 for _ in differing)
        return render(
            "diff.html",
            **frame,
            page="diff",
            asked=asked,
            kept=kept,
            other=place,
            summary=comparison.summary,
            entries=entries,
            more=more,
            sides=_side_by_side(before, after, entries),
            following=asked.at + ENTRIES if more else None,
        )


def _other(location: Location, other: str, manifest: Manifest) -> tuple[Location, str] | None:
    """The target and the snapshot to compare with; None where it replaced none."""
    if is_id(other):
        return location, other
    if other:
        return locate(location.fields._replace(target=other)), ""
    return (location, manifest.base) if manifest.base else None


def _pin(location: Location, snapshot: Snapshot) -> dict[str, str]:
    return {"target": location.path, "snapshot": snapshot.manifest.snapshot}


def _side_by_side(before: Snapshot, after: Snapshot, entries: list[DiffedEntry]) -> dict[str, Sides]:
    changed = [entry for entry in entries if entry.how == "changed"][:PICTURED]
    found: dict[str, Sides] = {}
    with ExitStack() as stack:

        def descriptor(snapshot: Snapshot, path: str) -> int:
            # Anew each time: looking at a file moves the place at which the next look would begin.
            return stack.enter_context(snapshot.held.open(path)).fileno()

        wanted, paths = list[Wanted](), list[str]()
        suffix = before.manifest.codec.suffix
        for entry in changed:
            path_before = _as_before(entry.path, after.manifest.codec.suffix, suffix)
            kinds = kind_of(path_before, before.manifest.codec.name), kind_of(entry.path, after.manifest.codec.name)
            try:
                both = [descriptor(before, path_before), descriptor(after, entry.path)]
                again = [descriptor(before, path_before), descriptor(after, entry.path)]
            except (DiropsError, Refusal):
                continue
            paths.append(entry.path)
            wanted += [
                Wanted(both[0], kinds[0], SMALL),
                Wanted(both[1], kinds[1], SMALL),
                Wanted(again[0], kinds[0] if kinds[0] == kinds[1] else "bytes", SMALL, again[1]),
            ]
        answers = iter(answers_to(wanted) if wanted else [])
        for path in paths:
            found[path] = Sides(next(answers), next(answers), next(answers))
    return found


def _as_before(path: str, suffix: str, suffix_before: str) -> str:
    """The name that an entry had where another codec wrote it."""
    return path if suffix == suffix_before else os.path.splitext(path)[0] + suffix_before
