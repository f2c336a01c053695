"""Which snapshots of a target are kept, and who replaced whom."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from airflow_dirops.core import list_rejections
from airflow_dirops.web.access import Asking
from airflow_dirops.web.asked import Address
from airflow_dirops.web.opening import locate, opened
from airflow_dirops.web.pages.frame import frame_of, kept_at, task_address
from airflow_dirops.web.rendering import render

router = APIRouter()


@router.get("/history")
def history(asked: Address, visitor: Asking) -> HTMLResponse:
    """The current one first; of each what its header says, as far as the visitor may read its DAG."""
    location = locate(asked)
    with opened(location, visitor, asked.snapshot) as found:
        kept = kept_at(location, visitor)
        return render(
            "history.html",
            **frame_of(location, asked, found, visitor),
            page="history",
            kept=[(each, task_address(each.manifest)) for each in kept],
            rejected=[each for each in list_rejections(location.path)[::-1] if visitor.may_read(each.dag_id)],
        )
