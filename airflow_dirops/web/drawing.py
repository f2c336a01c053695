"""Previews as HTML can show them: pictures as data, curves as lines of an SVG; numbers and Base64 only."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterator

from markupsafe import Markup

from airflow_dirops.web.previews.shapes import Curves, Picture, Preview

WIDTH, HEIGHT, MARGIN = 240, 120, 4


def kind(preview: Preview) -> str:
    """Which part of the template shows it."""
    return type(preview).__name__.lower()


def data_of(picture: Picture) -> Markup:
    """A picture as the source of an image."""
    return Markup(f"data:image/png;base64,{b64encode(picture.png).decode()}")  # noqa: S704 - Base64


def lines_of(curves: Curves) -> list[tuple[int, str, Markup]]:
    """Each curve's number and name, and its path in a drawing of :data:`WIDTH` × :data:`HEIGHT`."""
    low, high = _range(curves)
    return [
        (number, curve.name, Markup(" ".join(_commands(curve.points, low, high))))  # noqa: S704 - numbers
        for number, curve in enumerate(curves.curves)
    ]


def _range(curves: Curves) -> tuple[float, float]:
    values = [point for curve in curves.curves for point in curve.points if point is not None and math.isfinite(point)]
    return (min(values), max(values)) if values else (0.0, 1.0)


def _commands(points: tuple[float | None, ...], low: float, high: float) -> Iterator[str]:
    command = "M"
    step = (WIDTH - 2 * MARGIN) / max(1, len(points) - 1)
    for number, point in enumerate(points):
        if point is None or not math.isfinite(point):
            command = "M"
            continue
        # Halved first: the span of the largest numbers is more than a float holds.
        part = (point / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
        yield f"{command}{MARGIN + number * step:.1f} {HEIGHT - MARGIN - part * (HEIGHT - 2 * MARGIN):.1f}"
        command = "L"
