"""Which snapshots of a target are kept, and who replaced whom."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from airflow_dirops.core import list_snapshots
from airflow_dirops.web.access import Asking
from airflow_dirops.web.asked import Address
from airflow_dirops.web.opening import locate, opened
from airflow_dirops.web.pages.frame import frame_of, task_address
from airflow_dirops.web.rendering import render

router = APIRouter()


@router.get("/history")
def history(asked: Address, visitor: Asking) -> HTMLResponse:
    """The current one first; of each what its header says, as far as the visitor may read its DAG."""
    location = locate(asked)
    with opened(location, visitor, asked.snapshot) as found:
        kept = [each for each in list_snapshots(location.path) if visitor.may_read(each.manifest.attempt.dag_id)]
        return render(
            "history.html",
            **frame_of(location, asked, found, visitor),
            page="history",
            kept=[(each, task_address(each.manifest)) for each in kept],
        )
