"""From a template to an answer. Whatever a template fills in is shown as text: printable, bounded, escaped."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.web import drawing
from airflow_dirops.web.asked import address

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def render(template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """A page.

    :param template: its file in ``templates/``.
    :param status: of HTTP.
    """
    return HTMLResponse(environment().get_template(template).render(values), status)


@cache
def environment() -> Environment:
    """What all templates share."""
    made = Environment(
        loader=PackageLoader("airflow_dirops.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(address=address, command=dirops_command)
    made.filters.update(kind=drawing.kind, data_of=drawing.data_of, lines_of=drawing.lines_of)
    made.filters.update(
        digest=as_digest, bytes=as_bytes, count=lambda number: f"{number:,}", moment=as_moment, seconds=as_seconds
    )
    return made


def as_digest(digest: str | None) -> str:
    """Enough of a digest to tell it from others."""
    return (digest or "").removeprefix("sha256:")[:12]


def as_bytes(size: int) -> str:
    """A size that can be read."""
    value, unit = float(size), _UNITS[0]
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{value:,.0f} {unit}" if unit == _UNITS[0] or value >= 100 else f"{value:.1f} {unit}"


def as_moment(moment: str) -> str:
    """A time of a manifest, to the second, and in which zone."""
    return f"{moment[:19].replace('T', ' ')} UTC" if moment.endswith(("Z", "+00:00")) else moment


def as_seconds(seconds: float) -> str:
    """A duration that can be read."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _finalized(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    return shown(os.fspath(value) if isinstance(value, os.PathLike) else value)
