"""Who is at work at a target, and how far: by what is on disk, and by what tasks tell Airflow."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from airflow_dirops.core import look_at
from airflow_dirops.web.access import Asking
from airflow_dirops.web.asked import Address
from airflow_dirops.web.opening import Unseen, locate, opened
from airflow_dirops.web.pages.failures import frame_where_nothing_is
from airflow_dirops.web.pages.frame import frame_of
from airflow_dirops.web.rendering import render

router = APIRouter()


@router.get("/progress")
def progress(asked: Address, visitor: Asking) -> HTMLResponse:
    """What goes on here; the browser asks again every few seconds."""
    location = locate(asked)
    try:
        with opened(location, visitor) as found:
            frame = frame_of(location, asked._replace(snapshot=""), found, visitor)
    except Unseen as nothing:
        frame = frame_where_nothing_is(location, visitor, nothing)
    attempts = [each for each in look_at(location.path).attempts if visitor.may_read(each.dag_id)]
    return render("progress.html", **frame, page="progress", attempts=attempts)
