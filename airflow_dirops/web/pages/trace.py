"""A file's way: back to the raw files that it was made of, and on to all that it became; with a picture of each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from airflow_dirops.core import TracedFile, find_line, trace, trace_forward
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.lists import FILES
from airflow_dirops.web.access import Asking, Visitor
from airflow_dirops.web.asked import Address, Asked, address
from airflow_dirops.web.inputs import opened_input
from airflow_dirops.web.opening import Location, Refusal, locate, opened
from airflow_dirops.web.pages.frame import frame_of
from airflow_dirops.web.pages.sheet import SMALL, previews
from airflow_dirops.web.previews.kinds import kind_of
from airflow_dirops.web.previews.shapes import Preview
from airflow_dirops.web.rendering import render

router = APIRouter()

MOST_AT_A_NODE = 6
MOST_NODES = 60
MOST_PICTURES = 16


@dataclass
class Node:
    """A file on the way.

    :param name: its path, below its root where it has one.
    :param link: to its page, where it has one.
    :param next: what it was made of; of a trace forward what it became.
    :param hidden: somebody else's, of which nothing more is told.
    """

    file: TracedFile
    name: str
    link: Markup | None
    next: list[Node] = field(default_factory=list)
    hidden: bool = False
    preview: Preview | None = None


@router.get("/trace")
def trace_page(asked: Address, visitor: Asking) -> HTMLResponse:
    """Back, and with ``list=forward`` on."""
    location = locate(asked)
    with opened(location, visitor, asked.snapshot) as found:
        if find_line(found, FILES, asked.path) is None:
            raise Refusal(404, f"There is no {asked.path!r} in this snapshot.")
        frame = frame_of(location, asked, found, visitor)
    path = os.path.join(location.path, asked.path)
    limits: dict[str, Any] = {"most": MOST_AT_A_NODE, "most_files": MOST_NODES}
    forward = asked.list == "forward"
    traced = trace_forward(path, location.root.path, **limits) if forward else trace(path, **limits)
    node = _node(traced, visitor, forward=forward)
    _look_at(node, visitor)
    return render("trace.html", **frame, page="trace", asked=asked, node=node, forward=forward)


def _node(file: TracedFile, visitor: Visitor, *, forward: bool) -> Node:
    made_by = file.made_by
    place = _place_of(file)
    if made_by is not None and not visitor.may_read(made_by.dag_id):
        return Node(file, "", None, hidden=True)
    name = f"{place[0].relative}/{place[1]}" if place else file.path
    link = None
    if made_by is not None and place:
        is_input = file.state in ("skipped", "quarantined")
        fields = place[0].fields._replace(path=place[1], snapshot="" if is_input else made_by.snapshot)
        link = None if is_input else address("file", fields)
    following = file.outputs if forward else file.inputs
    return Node(file, name, link, [_node(each, visitor, forward=forward) for each in following])


def _place_of(file: TracedFile) -> tuple[Location, str] | None:
    """The target, or the folder, that a file lies in, and its path in there; None where that is below no root."""
    folder, name = os.path.split(file.path)
    if file.made_by is not None and file.state not in ("skipped", "quarantined"):
        folder = file.made_by.target
        name = file.path.removeprefix(f"{folder}/")
    try:
        return locate(Asked(target=folder)), name
    except Refusal:
        return None


def _look_at(node: Node, visitor: Visitor) -> None:
    """Give the first files on the way a picture."""
    with ExitStack() as stack:
        looked: list[Node] = []
        files: list[tuple[int, str]] = []
        for each in _walk(node):
            if len(looked) == MOST_PICTURES:
                break
            if (descriptor := _open(each, visitor, stack)) is not None:
                looked.append(each)
                codec = each.file.made_by.codec if each.file.made_by and each.link else None
                files.append((descriptor, kind_of(each.file.path, codec)))
        for each, preview in zip(looked, previews.previews_of(files, SMALL), strict=True):
            each.preview = preview


def _walk(node: Node) -> Iterator[Node]:
    if not node.hidden:
        yield node
        for each in node.next:
            yield from _walk(each)


def _open(node: Node, visitor: Visitor, stack: ExitStack) -> int | None:
    place, made_by = _place_of(node.file), node.file.made_by
    if place is None:
        return None
    try:
        if made_by is not None and node.link:
            found = stack.enter_context(opened(place[0], visitor, made_by.snapshot))
            if find_line(found, FILES, place[1]) is None:
                return None
            return stack.enter_context(found.held.open(place[1])).fileno()
        return stack.enter_context(opened_input(place[0].path, None, place[1], visitor))
    except (Refusal, DiropsError):
        return None
