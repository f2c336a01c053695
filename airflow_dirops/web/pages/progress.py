"""Where the runs of a stage are that are at work now: the browser asks Airflow, and again every few seconds."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from airflow_dirops.web.access import Asking
from airflow_dirops.web.asked import Address
from airflow_dirops.web.opening import locate, opened
from airflow_dirops.web.pages.frame import frame_of
from airflow_dirops.web.rendering import render

router = APIRouter()


@router.get("/progress")
def progress(asked: Address, visitor: Asking) -> HTMLResponse:
    """Of the task that committed this target, in all its runs."""
    location = locate(asked)
    with opened(location, visitor, asked.snapshot) as found:
        return render("progress.html", **frame_of(location, asked, found, visitor), page="progress")
