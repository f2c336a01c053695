"""The inputs that failed, with their tracebacks; and one of them with a picture of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from airflow_dirops.core import find_line, look_at, read_page
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.lists import QUARANTINE
from airflow_dirops.core.format.runs import time_of
from airflow_dirops.core.places import place_of
from airflow_dirops.core.stage.partitions import with_partition
from airflow_dirops.web.access import Asking, Visitor
from airflow_dirops.web.asked import Address, Asked
from airflow_dirops.web.inputs import opened_input
from airflow_dirops.web.opening import Location, Refusal, Unseen, check_no_link, locate, opened
from airflow_dirops.web.pages.frame import frame_of, frame_without
from airflow_dirops.web.pages.sheet import LARGE, previews
from airflow_dirops.web.previews.kinds import kind_of
from airflow_dirops.web.previews.shapes import Nothing, Preview
from airflow_dirops.web.rendering import render
from airflow_dirops.web.table import dags_of, found_in, may_see

router = APIRouter()

LINES = 50


class Failed(NamedTuple):
    """An input that failed.

    :param decided: what somebody has decided about it, for the next run.
    """

    path: str
    error: str
    message: str
    place: str
    traceback: str
    tries: int
    decided: str = ""


class Try(NamedTuple):
    """A try that committed nothing."""

    began: str
    inputs: list[Failed]
    has_more: bool


@router.get("/failures")
def failures(asked: Address, visitor: Asking) -> HTMLResponse:
    """Of the newest try that committed nothing, and of the snapshot that is there."""
    location = locate(asked)
    try:
        with opened(location, visitor, asked.snapshot) as found:
            page = read_page(found, QUARANTINE, at=asked.at, limit=LINES, containing=asked.q)
            decided = {each.path: str(each) for each in place_of(location.path).triage()}
            newer = None if asked.snapshot or asked.at else _newest_try(location, found.manifest.attempt.id)
            return render(
                "failures.html",
                **frame_of(location, asked, found, visitor),
                page="failures",
                asked=asked,
                found=page,
                failed=[_failed(line.path, line)._replace(decided=decided.get(line.path, "")) for line in page.lines],
                newer=newer,
            )
    except Unseen as nothing:
        return _without_snapshot(location, visitor, nothing)


@router.get("/failure")
def failure(asked: Address, visitor: Asking) -> HTMLResponse:
    """One input, with its traceback and its picture."""
    location = locate(asked)
    try:
        with opened(location, visitor, asked.snapshot) as found:
            line = find_line(found, QUARANTINE, asked.path) if asked.list != "try" else None
            shown = _failed(line.path, line) if line else _of_newest_try(location, asked, found.manifest.attempt.id)
            source = found.manifest.source
            where = source.path_from(location.path)
            frame = frame_of(location, asked, found, visitor)
            return _render_one(frame, asked, shown, _preview(where, source.snapshot, shown.path, visitor))
    except Unseen as nothing:
        frame = frame_where_nothing_is(location, visitor, nothing)
        shown = _of_newest_try(location, asked, "")
        return _render_one(frame, asked, shown, _preview_by_neighbours(location, shown.path, visitor))


def _render_one(frame: dict[str, Any], asked: Asked, shown: Failed, preview: Preview) -> HTMLResponse:
    return render("failure.html", **frame, page="failures", asked=asked, failed=shown, preview=preview)


def _without_snapshot(location: Location, visitor: Visitor, nothing: Unseen) -> HTMLResponse:
    """Where no stage has committed: what the last try left."""
    frame = frame_where_nothing_is(location, visitor, nothing)
    return render(
        "failures.html", **frame, page="failures", asked=Asked(), found=None, failed=[], newer=_newest_try(location, "")
    )


def frame_where_nothing_is(location: Location, visitor: Visitor, nothing: Unseen) -> dict[str, Any]:
    """What is known of a target without a snapshot. Who may see it is told by who has tried, else by its neighbours."""
    if not location.root.is_there:
        raise nothing
    check_no_link(location)
    tried = look_at(location.path).attempts
    owners = {each.dag_id for each in tried}
    found = found_in(location)
    if not (all(map(visitor.may_read, owners)) if owners else may_see(location, visitor)):
        raise nothing
    if found is None and not tried:
        raise nothing
    dag_ids = owners or (dags_of(found[0]) if found else {""})
    stage = found[0].stage if found else f"{tried[0].dag_id}.{tried[0].task_id}".lstrip(".")
    return frame_without(
        location, stage, found[1] if found else None, min(dag_ids) if len(dag_ids) == 1 else "", visitor
    )


def _newest_try(location: Location, newer_than: str) -> Try | None:
    with suppress(DiropsError):
        if found := place_of(location.path).newest_failed_try(newer_than):
            inputs = [_failed(each.input.path, each.failure) for each in islice(found.inputs, LINES + 1)]
            return Try(time_of(found.attempt), inputs[:LINES], len(inputs) > LINES)
    return None


def _of_newest_try(location: Location, asked: Asked, newer_than: str) -> Failed:
    found = place_of(location.path).newest_failed_try(newer_than)
    for each in found.inputs if found else ():
        if each.input.path == asked.path:
            return _failed(each.input.path, each.failure)
    raise Refusal(404, f"{asked.path!r} is not among what failed here.")


def _failed(path: str, failure: Any) -> Failed:
    return Failed(path, failure.error, failure.message, failure.place, failure.traceback.rstrip("\n"), failure.tries)


def _preview(source: str, snapshot: str | None, path: str, visitor: Visitor) -> Preview:
    try:
        with opened_input(source, snapshot, path, visitor) as descriptor:
            (preview,) = previews.previews_of([(descriptor, kind_of(path))], LARGE)
            return preview
    except (Refusal, DiropsError) as error:
        return Nothing(note=str(error)[:500])


def _preview_by_neighbours(location: Location, path: str, visitor: Visitor) -> Preview:
    """Of an input of a target without a manifest: where it was read from, the stage's other partitions say."""
    preview: Preview = Nothing(note="No manifest says where it was read from.")
    for source in _sources(location):
        preview = _preview(source, None, path, visitor)
        if not isinstance(preview, Nothing):
            break
    return preview


def _sources(location: Location) -> Iterator[str]:
    if found := found_in(location):
        stage, partition = found
        for each in stage.reads:
            if os.path.isabs(each):
                yield with_partition(each, partition.partition or "")
