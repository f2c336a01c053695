"""Where one begins: the roots, and what is below them."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from airflow_dirops.web.opening import list_roots
from airflow_dirops.web.rendering import render

router = APIRouter()


@router.get("/")
def home() -> HTMLResponse:
    """The roots."""
    return render("home.html", roots=list_roots())
