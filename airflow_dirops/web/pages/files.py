"""The lists of a snapshot, a page at a time: what was made, and what gave nothing."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from airflow_dirops.core import read_page
from airflow_dirops.core.format.lists import FILES, SKIPPED
from airflow_dirops.web.access import Asking
from airflow_dirops.web.asked import Address
from airflow_dirops.web.opening import locate, opened
from airflow_dirops.web.pages.frame import frame_of
from airflow_dirops.web.rendering import render

router = APIRouter()

LINES = 100


@router.get("/files")
def files(asked: Address, visitor: Asking) -> HTMLResponse:
    """Entries, or with ``list=skipped`` the inputs that gave nothing."""
    location = locate(asked)
    name = SKIPPED if asked.list == "skipped" else FILES
    with opened(location, visitor, asked.snapshot) as found:
        page = read_page(found, name, at=asked.at, limit=LINES, containing=asked.q)
        return render("files.html", **frame_of(location, asked, found, visitor), page="files", found=page, asked=asked)
