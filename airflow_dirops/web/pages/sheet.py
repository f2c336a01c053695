"""A contact sheet: the first files of a page of the list, each as small as can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from airflow_dirops.core import Snapshot, find_line, read_page
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.lists import FILES, FileLine
from airflow_dirops.web.access import Asking
from airflow_dirops.web.asked import Address
from airflow_dirops.web.opening import Refusal, locate, opened
from airflow_dirops.web.pages.frame import frame_of
from airflow_dirops.web.previews.cache import PreviewCache
from airflow_dirops.web.previews.kinds import kind_of
from airflow_dirops.web.previews.shapes import Nothing, Preview
from airflow_dirops.web.rendering import render

router = APIRouter()

PICTURES = 24
SMALL = 160
LARGE = 900

previews = PreviewCache()


class Pictured(NamedTuple):
    """A file and what can be shown of it."""

    line: FileLine
    preview: Preview


@router.get("/sheet")
def sheet(asked: Address, visitor: Asking) -> HTMLResponse:
    """So many files at a time."""
    location = locate(asked)
    with opened(location, visitor, asked.snapshot) as found:
        page = read_page(found, FILES, at=asked.at, limit=PICTURES, containing=asked.q)
        return render(
            "sheet.html",
            **frame_of(location, asked, found, visitor),
            page="sheet",
            found=page,
            asked=asked,
            pictured=pictured(found, page.lines, SMALL),
        )


@router.get("/file")
def file(asked: Address, visitor: Asking) -> HTMLResponse:
    """One file, larger, and what it was made from."""
    location = locate(asked)
    with opened(location, visitor, asked.snapshot) as found:
        line = find_line(found, FILES, asked.path)
        if line is None:
            raise Refusal(404, f"There is no {asked.path!r} in this snapshot.")
        (shown,) = pictured(found, [line], LARGE)
        return render(
            "file.html", **frame_of(location, asked, found, visitor), page="file", line=line, preview=shown.preview
        )


def pictured(snapshot: Snapshot, lines: Sequence[FileLine], side: int) -> list[Pictured]:
    """Files with their previews; those that are not what the manifest says have none.

    :param side: how large a picture may be, in pixels.
    """
    codec = snapshot.manifest.codec.name
    files, faults = [], dict[str, Preview]()
    with ExitStack() as stack:
        for line in lines:
            try:
                opened_file = stack.enter_context(snapshot.held.open(line.path))
                if (size := opened_file.seek(0, 2)) != line.size:
                    raise Refusal(404, f"it has {size:,} bytes, and the manifest says {line.size:,}")
                opened_file.seek(0)
                files.append((opened_file.fileno(), kind_of(line.path, codec)))
            except (DiropsError, Refusal) as error:
                faults[line.path] = Nothing(note=str(error)[:500])
        found = iter(previews.previews_of(files, side))
    return [Pictured(line, faults.get(line.path) or next(found)) for line in lines]
