"""The page's own style and script; nothing is loaded from elsewhere."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from airflow_dirops.web.opening import Refusal

router = APIRouter()

_HERE = Path(__file__).parents[1] / "static"
_TYPES = {"page.css": "text/css", "page.js": "text/javascript"}


@router.get("/static/{name}")
def static(name: str) -> FileResponse:
    """One of them."""
    if name not in _TYPES:
        raise Refusal(404, f"There is no {name!r} here.")
    # The address has the package's version in it.
    return FileResponse(_HERE / name, media_type=_TYPES[name], headers={"Cache-Control": "private, max-age=86400"})
