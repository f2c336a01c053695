"""One snapshot: who made it, when, from what, with what code, and what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from airflow_dirops.core import Manifest
from airflow_dirops.core.format.manifest import SourceRecord
from airflow_dirops.web.access import Asking
from airflow_dirops.web.asked import Address, Asked, address
from airflow_dirops.web.opening import Location, locate, opened
from airflow_dirops.web.pages.frame import frame_of
from airflow_dirops.web.rendering import render

router = APIRouter()

_MOST_PARTS = 200


class Source(NamedTuple):
    """Something that the snapshot was made from.

    :param name: its path: below the same root, else as the manifest says.
    :param snapshot: which of its snapshots; None where it is a bare directory.
    :param link: to its page, where it has one.
    """

    name: str
    snapshot: str | None
    link: Markup | None


@router.get("/snapshot")
def snapshot(asked: Address, visitor: Asking) -> HTMLResponse:
    """What its header says."""
    location = locate(asked)
    with opened(location, visitor, asked.snapshot) as found:
        manifest = found.manifest
        return render(
            "snapshot.html",
            **frame_of(location, asked, found, visitor),
            page="snapshot",
            sources=list(_sources(manifest, location)),
            parts=manifest.function.parts[:_MOST_PARTS],
        )


def _sources(manifest: Manifest, location: Location) -> Iterator[Source]:
    for record in manifest.sources or (manifest.source,):
        yield _source(record, location)


def _source(record: SourceRecord, location: Location) -> Source:
    where = record.path_from(location.path)
    above = location.root.path.rstrip("/") + "/"
    if not where.startswith(above):
        return Source(record.location, record.snapshot, None)
    relative = where.removeprefix(above)
    is_one = record.snapshot is not None and "{" not in relative
    fields = Asked(root=location.root.name, target=relative, snapshot=record.snapshot or "")
    return Source(relative, record.snapshot, address("snapshot", fields) if is_one else None)
